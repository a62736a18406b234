"""Who asks: client certificates, service account tokens, impersonation. Start at authenticator.py."""
