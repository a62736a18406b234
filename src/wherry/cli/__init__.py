"""One file per command: parses flags, calls app."""
