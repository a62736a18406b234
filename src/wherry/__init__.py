"""wherry: a container orchestrator that speaks the Kubernetes API."""
