"""May they: RBAC, the node authorizer, and what every cluster has at start. Start at authorizer.py."""
