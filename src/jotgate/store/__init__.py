"""Rows at rest: each SQL statement once, functions by noun."""
