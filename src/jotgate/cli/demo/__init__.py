"""The demonstration: two users, two guarded services, and the curl lines that show what they are for."""
