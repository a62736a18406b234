"""Bytes between a client and a container: logs, exec, attach, port-forward. Start at sessions.py."""
