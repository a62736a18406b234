"""One file per verb; each takes an Api and a Context, in process and over HTTP alike. Start at create.py."""
