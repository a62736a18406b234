"""Patches on plain dicts (json, merge, strategic, apply), and who owns which field (ownership, managed)."""
