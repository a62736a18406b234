"""Defaults of this version in what another version has stored: filled in once, when the store is opened.

A field that is new in this version, and has a default, is missing in what is stored. Filled in only when a client
writes an object, it would look as if the client had changed it: a pod's update would be refused, a Deployment's
template would differ from its ReplicaSet's, and its pods would be replaced. So all of them are filled in before
anything is served, where they lie; equal templates stay equal. What has nothing to be filled in is left as it is, also
what this version does not know. The mark is of the code that says what the defaults are: most versions have nothing to
fill in, and do not look.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import Any

from wherry import api
from wherry.api.registry import RESOURCES
from wherry.apiserver.views import VIEWS
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.store.windows import prefix_of

log = logging.getLogger(__name__)


@cache
def mark() -> int:
    """A number that is another when defaults may be others. Reads about a megabyte, once."""
    found = hashlib.sha256()
    for folder in api.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            found.update(path.read_bytes())
    return int.from_bytes(found.digest()[:7])


def filled(key: str, value: bytes) -> bytes | None:
    """The value with its defaults; None when it has them, or is not of a kind of ours, or cannot be read."""
    resource = _resources().get("/".join(key.split("/", 4)[:4]) + "/")
    if resource is None:
        return None
    try:
        obj = codec.decode(resource.type, value)
        full = resource.default(obj)
        return None if full is obj or full == obj else codec.encode(full)
    except Exception:  # whatever is wrong with one object must not keep the others from being served
        log.exception("%s cannot be read, and stays as it is", key)
        return None


@cache
def _resources() -> dict[str, Resource[Any]]:
    """By where they are stored."""
    return {prefix_of(resource): resource for resource in RESOURCES if resource not in VIEWS}
