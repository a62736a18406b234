"""Structural schemas: what a custom resource may hold. Pure; anybody may import it. Start at schema.py."""
