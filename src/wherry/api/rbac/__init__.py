"""Kinds of the API group rbac.authorization.k8s.io: one file each."""
