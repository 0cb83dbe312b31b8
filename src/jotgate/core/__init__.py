"""Decisions: pure functions and frozen values. No clock, no dice, no network."""
