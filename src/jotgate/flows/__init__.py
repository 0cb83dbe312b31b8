"""Use cases: load, decide, commit. No HTTP, no SQL text."""
