"""The agent of one machine: the life of its pods. Start at lifecycle.py."""
