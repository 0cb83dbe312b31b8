"""Examples, run by tests."""
