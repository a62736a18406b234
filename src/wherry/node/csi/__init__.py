"""Storage drivers (CSI): plugins.py (who is there), driver.py (what they are asked), volumes.py (mounts)."""
