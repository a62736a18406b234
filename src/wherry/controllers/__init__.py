"""One file per controller; registry.py lists them all (CONTROLLERS)."""
