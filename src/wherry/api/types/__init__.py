"""Generated structs of the Kubernetes API, one module per group (make update). Fields only."""
