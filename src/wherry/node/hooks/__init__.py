"""What a pod needs on a node, one concern per file; hook.py says what a hook is, registry.py lists them in order."""
