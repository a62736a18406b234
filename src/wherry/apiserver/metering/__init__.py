"""What pods and nodes use, asked of the agents when somebody asks: metrics.k8s.io. Open `usage.py` first."""
