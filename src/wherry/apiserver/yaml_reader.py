"""YAML request bodies -> JSON bytes, read as Kubernetes' own tools read YAML.

yes/on are booleans, 0644 is octal, 1e3 is a number; 1:30 and dates stay strings. Aliases may not blow a small text
up: what they expand to is counted before it is built. Nor may depth exhaust the machine's stack, which the C library
descends: depth and length are taken from its events, which need none, before anything is composed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from wherry.machinery.errors import BadRequest

_NODES = 200_000
_DEPTH = 500
_EXCESSIVE = "error converting YAML to JSON: yaml: document contains excessive aliasing"
_STEPS = {
    yaml.SequenceStartEvent: 1, yaml.MappingStartEvent: 1, yaml.SequenceEndEvent: -1, yaml.MappingEndEvent: -1,
}  # fmt: skip

_BOOLEANS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False, "y": True, "n": False}


class _Loader(yaml.CSafeLoader):
    """The safe loader with Kubernetes' scalars, which notes the keys that a map has twice; the last one counts."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.repeated: list[str] = []


_Loader.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
    for key, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _read_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits[:2] in ("0b", "0x", "0o"):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") and len(digits) > 1 else 10)


def _read_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    loader.flatten_mapping(node)
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            raise BadRequest("yaml: a map key must be a scalar")
        if key in out:
            loader.repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        out[key] = loader.construct_object(value_node, deep=True)
    return out


_Loader.add_constructor("tag:yaml.org,2002:int", _read_int)
_Loader.add_constructor("tag:yaml.org,2002:map", _read_mapping)


def to_json(data: bytes, repeated: list[str] | None = None) -> bytes:
    """One YAML document -> JSON bytes. Raises BadRequest.

    What tells of keys that a map has twice is appended to `repeated`; without it they are refused.
    """
    try:
        _bound(data)
        loader = _Loader(data)
        try:
            node = loader.get_single_node()
            _count(node, [0], 0)
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
        if loader.repeated and repeated is None:
            raise BadRequest(f"error converting YAML to JSON: {unmarshal_errors(loader.repeated)}")
        if repeated is not None:
            repeated += loader.repeated
        return msgspec.json.encode(value)
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0] if str(error) else "malformed"
        raise BadRequest(f"error converting YAML to JSON: yaml: {first}") from None
    except (ValueError, OverflowError, RecursionError, TypeError, msgspec.MsgspecError) as error:
        raise BadRequest(f"error converting YAML to JSON: yaml: {error}") from None


def unmarshal_errors(repeated: Sequence[str]) -> str:
    """The refusal of keys that a map has twice."""
    return "\n  ".join(["yaml: unmarshal errors:", *repeated])


def _bound(data: bytes) -> None:
    """Raises BadRequest for what is too deep or too long to be composed, yaml.YAMLError for what is no YAML."""
    loader = _Loader(data)
    depth = seen = 0
    try:
        while loader.check_event():
            depth += _STEPS.get(type(loader.get_event()), 0)
            seen += 1
            if depth > _DEPTH:
                raise BadRequest("error converting YAML to JSON: yaml: exceeded max depth")
            if seen > 2 * _NODES:
                raise BadRequest(_EXCESSIVE)
    finally:
        loader.dispose()


def _count(node: yaml.Node | None, seen: list[int], depth: int) -> None:
    seen[0] += 1
    if seen[0] > _NODES or depth > _DEPTH:
        raise BadRequest(_EXCESSIVE)
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _count(child, seen, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        for _, child in node.value:
            _count(child, seen, depth + 1)
