"""What runs containers: interface.py (the Protocol), containerd.py (CRI v1 over gRPC), simulated.py (the same, in
memory)."""
