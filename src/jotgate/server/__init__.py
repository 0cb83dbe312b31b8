"""HTTP: requests in, one flow each, responses out."""
