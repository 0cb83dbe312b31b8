"""jotgate: login, tokens and permissions for Python services."""
