"""Allocators: cluster addresses and node ports of Services, handed out in memory, rebuilt from the window."""

from __future__ import annotations


class Allocators:
    """Placeholder until Services are allocated."""
