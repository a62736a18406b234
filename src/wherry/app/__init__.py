"""The composition root: config.py, assemble.py builds every part by hand, supervise.py keeps them running."""
