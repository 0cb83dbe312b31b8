"""`make torture`: real servers, real faults, a recorded load, and a checker that counts what must not have happened."""
