"""Request bodies -> objects, with upstream's refusals: malformed, wrong kind, wrong type, unknown and duplicate fields.

The fast path is one typed decode in C plus one walk over the untyped JSON, which later stages (field ownership) need
anyway. https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Generic, NamedTuple

import msgspec

from wherry.apiserver import protobuf, yaml_reader
from wherry.apiserver.shapes import ANYTHING, Findings, Shape, go_message, inspect_value, shape_of, without_nulls
from wherry.machinery import codec
from wherry.machinery.errors import BadRequest, UnsupportedMediaType
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource

_COLON = re.compile(rb'"(?<!\\")\s*:')  # the quote first, so that the search skips to quotes
_MEDIA = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
)


class Decoded(NamedTuple, Generic[T]):
    """An object as sent, its JSON form, and warnings about it."""

    obj: T
    raw: dict[str, Any]
    warnings: tuple[str, ...]


class TypeMeta(msgspec.Struct, rename="camel"):
    """What says what an object is."""

    kind: str = ""
    api_version: str = ""


def to_json(data: bytes, content_type: str, repeated: list[str] | None = None) -> bytes:
    """A body in any accepted format -> JSON bytes. `repeated`: see `yaml_reader`. Raises UnsupportedMediaType,
    BadRequest."""
    media = content_type.partition(";")[0].strip().lower()
    if media in ("", "application/json", "*/*"):
        return data
    if media in ("application/yaml", "text/yaml", "application/x-yaml"):
        return yaml_reader.to_json(data, repeated)
    if media == protobuf.MEDIA:
        return protobuf.to_json(data)
    raise UnsupportedMediaType(_MEDIA)


def untyped(data: bytes, kind: str) -> dict[str, Any]:
    """JSON bytes -> builtins; must be an object. Raises BadRequest."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unrecognised(kind, f"couldn't get version/kind; json parse error: {_json_error(error)}", data) from None
    if not isinstance(raw, dict):
        word = {list: "array", str: "string", bool: "bool"}.get(type(raw), "number")
        raise _unrecognised(
            kind,
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {word} into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
            data,
        )
    return raw


def decode_object(
    resource: Resource[T], data: bytes, content_type: str, validation: str, *, any_version: bool = False
) -> Decoded[T]:
    """The object in a request body. `validation`: Strict, Warn or Ignore. Raises BadRequest, UnsupportedMediaType."""
    repeated: list[str] = []
    body = to_json(data, content_type, repeated)
    raw = untyped(body, resource.kind)
    _check_type(raw, resource, body, any_version=any_version)
    if not repeated:
        return convert(resource, raw, body, validation)
    decoded = convert(resource, raw, body, "Warn")
    if validation == "Strict":
        problems = (yaml_reader.unmarshal_errors(repeated), *decoded.warnings)
        raise _cannot(resource, f"strict decoding error: {', '.join(problems)}")
    return decoded._replace(warnings=(*repeated, *decoded.warnings) if validation == "Warn" else ())


def convert(
    resource: Resource[T], raw: dict[str, Any], body: bytes, validation: str, *, written: bool = True
) -> Decoded[T]:  # fmt: skip
    """Untyped JSON (with the bytes it came from) -> typed. `written`: by a client, so that keys may occur twice.

    Raises BadRequest.
    """
    kind = resource.type
    if resource.custom is not None:
        obj, problems = _custom(resource, body)
        if written and validation != "Ignore" and _key_count(body) > _keys(raw):
            problems = [f'duplicate field "{path}"' for path in duplicates(body)] + problems
    else:
        obj = _typed(resource, raw, body)
        found = Findings(deep=written)
        inspect_value(raw, shape_of(kind), "", found)
        if found.too_big:
            raise _cannot(resource, _too_big(found.too_big[0], shape_of(kind)))
        problems = [f'unknown field "{path}"' for path in found.unknown]
        if written and validation != "Ignore" and _key_count(body) > found.keys:
            problems += [f'duplicate field "{path}"' for path in duplicates(body)]
    if problems and validation == "Strict":
        raise _cannot(resource, f"strict decoding error: {', '.join(problems)}")
    return Decoded(obj, raw, tuple(problems) if validation != "Ignore" else ())


def _custom(resource: Resource[T], body: bytes) -> tuple[T, list[str]]:
    """A custom resource, and the fields in it that its schema does not know."""
    try:
        obj, unknown = resource.custom.read(msgspec.json.decode(body))
    except ValueError as error:
        raise _cannot(resource, str(error)) from None
    return obj, [f'unknown field "{path}"' for path in unknown]


def _keys(raw: dict[str, Any]) -> int:
    found = Findings()
    inspect_value(raw, ANYTHING, "", found)
    return found.keys


def _typed(resource: Resource[T], raw: dict[str, Any], body: bytes) -> T:
    try:
        return codec.decode(resource.type, body)
    except msgspec.ValidationError as first:
        try:
            # Go reads null as absent, and an object's own kind and version count as given
            return codec.from_dict(resource.type, without_nulls(raw))
        except msgspec.ValidationError as error:
            raise _cannot(resource, go_message(error, resource.type)) from first
        except (OverflowError, ValueError, RecursionError) as error:
            raise _cannot(resource, f"json: {error}") from first
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _cannot(resource, f"json: {_json_error(error)}") from None


def _too_big(found: tuple[str, int], shape: Shape) -> str:
    path, value = found
    names = [step for step in path.replace("[", ".[").split(".") if not step.startswith("[")]
    owner = shape.at(names)[1] if names else shape.name
    return f"json: cannot unmarshal number {value} into Go struct field {owner}.{'.'.join(names)} of type int64"


def _check_type(raw: dict[str, Any], resource: Resource[Any], body: bytes, *, any_version: bool) -> None:
    kind, version = raw.get("kind") or "", raw.get("apiVersion") or ""
    if not isinstance(kind, str) or not isinstance(version, str):
        raise _unrecognised(resource.kind, "couldn't get version/kind; json parse error: kind must be a string", body)
    if (kind or version) and (not kind or not version) and not any_version and resource.custom is not None:
        raise _unrecognised(resource.kind, "Object 'Kind' is missing", body)
    if kind and kind != resource.kind:
        raise BadRequest(
            f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is registered for version "{version}"'
            if version != resource.api_version
            else f"the object provided is unrecognized (must be of type {resource.kind}): got {kind}"
        )
    if version and version != resource.api_version and not any_version:
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )


def _cannot(resource: Resource[Any], why: str) -> BadRequest:
    return BadRequest(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}')


def _unrecognised(kind: str, why: str, body: bytes) -> BadRequest:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({body[:30].hex()}"
        f"{' ...' if len(body) > 30 else ''})"
    )


def _json_error(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "exceeded max depth"
    if isinstance(error, UnicodeDecodeError):
        return "invalid UTF-8 in a string"
    text = str(error)
    return "unexpected end of JSON input" if text.startswith("Input data was truncated") else text


def _key_count(body: bytes) -> int:
    """The number of object keys in JSON text; too high when a key may end in a backslash, so that somebody looks."""
    return sys.maxsize if b'\\\\"' in body else len(_COLON.findall(body))


class _Pairs(list[tuple[str, Any]]):
    """An object with every key as written."""


def duplicates(body: bytes) -> list[str]:
    """Paths of the fields that occur twice in their object. Slow; call it when a count says there may be some."""
    try:
        tree = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    out: list[str] = []
    _find_duplicates(tree, "", out)
    return out


def _find_duplicates(value: object, path: str, out: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, child in value:
            here = f"{path}.{key}" if path else key
            if key in seen:
                out.append(here)
            seen.add(key)
            _find_duplicates(child, here, out)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _find_duplicates(child, f"{path}[{index}]", out)
