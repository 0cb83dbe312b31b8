"""A gym with an issuer and two services: what `make demo` shows."""
