"""Configuration files of apiserver.config.k8s.io: how their documents become structs, and how a wrong one is refused.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1")


class Format(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Keys as in YAML."""


F = TypeVar("F", bound=Format)


def decoded(raw: Mapping[str, Any], kind: type[F], problems: Callable[[F], Iterator[str]]) -> F:
    """The configuration in a YAML document. Raises ValueError: `key: what is wrong; what to do`."""
    try:
        found = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; see the Kubernetes reference of {kind.__name__}") from None
    problem = next(problems(found), None)
    if problem is not None:
        raise ValueError(problem)
    return found


def unknown_version(version: str) -> Iterator[str]:
    """What is wrong with an apiVersion."""
    if version not in VERSIONS:
        yield f"apiVersion: {version!r} is not known; write {VERSIONS[0]}"
