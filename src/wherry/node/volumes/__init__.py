"""Volumes of a pod: payload.py (files made from API objects), atomic.py (how they are written), places.py (folders)."""
