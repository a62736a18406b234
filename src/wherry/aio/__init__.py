"""Clocks, back-off, supervision and broadcast for asyncio. Anyone may import it."""
