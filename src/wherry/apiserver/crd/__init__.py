"""Custom resources: from definitions to served kinds. Only the API server's own; open definitions.py first."""
