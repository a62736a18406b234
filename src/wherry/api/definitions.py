"""The OpenAPI definitions of all built-in types: packed at build time (hatch_build.py), read when a client asks."""

from __future__ import annotations

import gzip
from importlib.resources import files
from typing import Any

import msgspec


def load() -> dict[str, Any]:
    """Definition name -> OpenAPI v2 schema, `$ref`s as `#/definitions/NAME`. A fresh copy; not kept in memory here."""
    packed = (files("wherry.api") / "definitions.json.gz").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(gzip.decompress(packed))
    return found
