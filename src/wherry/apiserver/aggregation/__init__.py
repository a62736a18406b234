"""API groups that other servers serve: registered by APIService, probed, proxied, merged. Start at remotes.py."""
