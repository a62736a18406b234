"""Node pools: one file per provider."""
