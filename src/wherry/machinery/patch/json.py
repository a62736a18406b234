"""JSON patches (RFC 6902) with upstream's limits: 10,000 operations, and copies that add at most 3 MiB.

https://www.rfc-editor.org/rfc/rfc6902
A patch that is no patch raises BadRequest; one that does not fit the document raises Invalid, as upstream answers. As
there, `replace` may add a member to an object, `copy` may copy one that is not there (null), and a `value` that is not
given is null. The document passed in is never changed: containers on the way to a change are copied once, everything
else is shared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from wherry.machinery.errors import BadRequest, Invalid, TooLarge

MAX_OPERATIONS: Final = 10_000
MAX_COPIED: Final = 3 * 1024 * 1024
"""Bytes of JSON that all `copy` operations of one patch may add."""

_GO = "handlers.jsonPatchOp"
_OUR_REQUEST = "the server rejected our request due to an error in our request"
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_NEEDS: Final = {
    "add": ("path",),
    "remove": ("path",),
    "replace": ("path",),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path",),
}


def operations_of(patch: object) -> list[Any]:
    """The operations of a patch, as many as there may be, unread. Raises BadRequest or TooLarge."""
    if not isinstance(patch, list):
        raise BadRequest(f"error decoding patch: json: cannot unmarshal {_word(patch)} into Go value of type []{_GO}")
    if len(patch) > MAX_OPERATIONS:
        raise TooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(patch)}"
        )
    return patch


def json_patch(document: Any, operations: object) -> Any:
    """The document with the operations applied in order. Raises BadRequest, TooLarge or Invalid."""
    patching = _Patching(document)
    for operation in operations_of(operations):
        patching.apply(_checked(operation))
    return patching.document


def _checked(operation: object) -> dict[str, Any]:
    if not isinstance(operation, dict):
        raise BadRequest(f"error decoding patch: json: cannot unmarshal {_word(operation)} into Go value of type {_GO}")
    kind = operation.get("op")
    needs = _NEEDS.get(kind) if isinstance(kind, str) else None
    if needs is None:
        raise Invalid(_OUR_REQUEST)
    for member in needs:
        if not isinstance(operation.get(member), str):
            raise Invalid(_OUR_REQUEST)
    return operation


def _word(value: object) -> str:
    """The JSON type of a value, as Go's errors name it."""
    return {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")


def _tokens(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise Invalid(_OUR_REQUEST)
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


class _Patching:
    """One patch under way: the document, which containers are copies of ours, and how much was copied."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._ours: dict[int, Any] = {}  # by id; holding them keeps the ids unique
        self._copied = 0

    def apply(self, operation: dict[str, Any]) -> None:
        kind, path = operation["op"], operation["path"]
        match kind:
            case "add":
                self._put(kind, path, operation.get("value"), _insert)
            case "replace":
                self._put(kind, path, operation.get("value"), _assign)
            case "remove":
                self._remove(kind, path)
            case "test":
                self._test(path, operation.get("value"))
            case "copy":
                self._put(kind, path, self._copy(operation["from"]), _insert)
            case _:
                self._move(operation["from"], path)

    def _test(self, path: str, expected: Any) -> None:
        try:
            found = self._get("test", path)
        except Invalid:
            found = None
            if expected is not None:
                raise _failed(f"testing path {path} failed") from None
        if not _same(found, expected):
            raise _failed(f"testing value {path} failed")

    def _copy(self, source: str) -> Any:
        encoded = msgspec.json.encode(self._source(source))
        self._copied += len(encoded)
        if self._copied > MAX_COPIED:
            raise TooLarge(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED}"
            )
        return msgspec.json.decode(encoded)

    def _source(self, path: str) -> Any:
        """What is at a pointer: null for a member that its object does not have."""
        tokens = _tokens(path)
        holder = self.document
        for token in tokens[:-1]:
            holder = _step("copy", path, holder, token)
        if tokens and isinstance(holder, dict):
            return holder.get(tokens[-1])
        return _step("copy", path, holder, tokens[-1]) if tokens else holder

    def _move(self, source: str, path: str) -> None:
        if path.startswith(f"{source}/"):
            raise _refused(f"cannot move {source} into itself")
        value = self._get("move", source)
        if source != path:
            self._remove("move", source)
            self._put("move", path, value, _insert)

    def _get(self, kind: str, path: str) -> Any:
        value = self.document
        for token in _tokens(path):
            value = _step(kind, path, value, token)
        return value

    def _put(self, kind: str, path: str, value: Any, how: Callable[[str, list[Any], str, Any], None]) -> None:
        tokens = _tokens(path)
        if not tokens:
            self.document = value
            return
        holder = self._holder(kind, path, tokens[:-1])
        if isinstance(holder, dict):
            holder[tokens[-1]] = value
        elif isinstance(holder, list):
            how(path, holder, tokens[-1], value)
        else:
            raise _missing(kind, path)

    def _remove(self, kind: str, path: str) -> None:
        tokens = _tokens(path)
        if not tokens:
            raise _refused("the whole document cannot be removed")
        holder = self._holder(kind, path, tokens[:-1])
        _step(kind, path, holder, tokens[-1])
        if isinstance(holder, dict):
            del holder[tokens[-1]]
        else:
            del holder[int(tokens[-1])]

    def _holder(self, kind: str, path: str, tokens: Sequence[str]) -> Any:
        """The container at these tokens, ours to change, with all containers above it."""
        self.document = here = self._own(self.document)
        for token in tokens:
            below = self._own(_step(kind, path, here, token))
            if isinstance(here, dict):
                here[token] = below
            else:
                here[int(token)] = below
            here = below
        return here

    def _own(self, value: Any) -> Any:
        if not isinstance(value, (dict, list)) or id(value) in self._ours:
            return value
        copied = value.copy()
        self._ours[id(copied)] = copied
        return copied


def _step(kind: str, path: str, value: Any, token: str) -> Any:
    if isinstance(value, dict) and token in value:
        return value[token]
    if isinstance(value, list) and _INDEX.fullmatch(token) and int(token) < len(value):
        return value[int(token)]
    raise _missing(kind, path)


def _insert(path: str, items: list[Any], token: str, value: Any) -> None:
    index = _index(path, token, len(items))
    items.insert(index, value)


def _assign(path: str, items: list[Any], token: str, value: Any) -> None:
    items[_index(path, token, len(items) - 1)] = value


def _index(path: str, token: str, most: int) -> int:
    if token == "-":
        return most
    if not _INDEX.fullmatch(token) or int(token) > most:
        raise _refused(f"Unable to access invalid index: {token}: {path}")
    return int(token)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _missing(kind: str, path: str) -> Invalid:
    return _refused(f"{kind} operation does not apply: doc is missing path: {path}: missing value")


class TestFailed(Invalid):
    """A `test` operation found something else."""

    __test__ = False  # to pytest, which would take it for tests


def _failed(why: str) -> TestFailed:
    return TestFailed(str(_refused(why)))


def _refused(why: str) -> Invalid:
    return Invalid(f"{_OUR_REQUEST}: {why}")
