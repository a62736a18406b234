"""Image references, as far as the API looks into them.

https://github.com/distribution/reference/blob/main/reference.go has the grammar.
"""

from __future__ import annotations

import re

_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_PART}(?:\.{_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_DIGEST = r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PATH}(?:/{_PATH})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?", re.ASCII
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
LONGEST_NAME = 255


def tag_of(image: str) -> str:
    """The tag a reference asks for: `latest` if neither tag nor digest; "" if only a digest, or no reference."""
    found = _REFERENCE.fullmatch(image)
    if found is None or len(found["name"]) > LONGEST_NAME or _IDENTIFIER.fullmatch(image):
        return ""
    return found["tag"] or ("" if found["digest"] else "latest")


def pull_policy_of(image: str) -> str:
    """The pull policy a reference gets when none is set."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
