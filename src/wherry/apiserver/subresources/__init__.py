"""One file per subresource; the list is in routes of handlers.py."""
