"""CEL as Kubernetes uses it: checked, compiled to closures, metered. Open program.py first."""
