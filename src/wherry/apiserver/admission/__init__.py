"""One file per admission plugin; the order is ADMISSION in chain.py."""
