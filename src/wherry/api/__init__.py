"""One file per kind: schema, defaults, validation, columns. registry.py lists them all (RESOURCES)."""
