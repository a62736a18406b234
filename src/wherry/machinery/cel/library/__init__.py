"""The functions that expressions may call, one file per library. Open standard.py and registry.py first."""
