"""What our TLS servers speak below TLS 1.3, whose own ciphers are all as good."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and authenticated encryption: what the CIS benchmark lets pass, and what TLS 1.3 has."""
