"""Services, DNS, addresses and routes. Start at services.py."""
