"""metrics.k8s.io: what pods and nodes use. Kinds that are worked out when asked for and never stored."""
