"""Image references, as far as the API looks into them."""

from __future__ import annotations


def tag_of(image: str) -> str:
    """The tag a reference asks for: `latest` if it names neither tag nor digest, "" if only a digest."""
    name, at, _ = image.partition("@")
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    if colon:
        return tag
    return "" if at or not last else "latest"


def pull_policy_of(image: str) -> str:
    """The pull policy a reference gets when none is set."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
