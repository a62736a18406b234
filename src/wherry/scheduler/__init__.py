"""Which node a pod goes to: numpy filters and scores over a snapshot. Start at cycle.py."""
