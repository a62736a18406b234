"""From a request to a revision. Start at server.py, then verbs/."""
