"""The revisioned log of bytes and the window that serves it. Only apiserver and app import it. Start at log.py."""
