"""What the API server asks of others while a request waits: admission and conversion webhooks. `client.py` first."""
