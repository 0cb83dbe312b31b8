"""One short program a framework, each guarded; its first line says how to start it."""
