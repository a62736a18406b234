"""Kinds of the API group core (v1): one file each."""
