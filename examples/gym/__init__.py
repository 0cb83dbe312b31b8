"""A gym with an issuer and three services: what `make demo` shows."""
