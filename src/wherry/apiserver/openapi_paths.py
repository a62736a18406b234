"""Writes operations as the path items of an OpenAPI document, version 2 or 3.

What all operations of a path take is written once, at the path. Version 2 refers to shared parameters; version 3 does
not, since kubectl finds no parameter there that is only referred to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from wherry.apiserver.openapi_operations import TEXT, Operation
from wherry.apiserver.openapi_parameters import INLINE, written
from wherry.apiserver.openapi_schemas import REF, REF3
from wherry.machinery import codec

Json = dict[str, Any]
_CODES: Mapping[str, str] = {"200": "OK", "201": "Created", "202": "Accepted"}
_UNAUTHORIZED: Json = {"description": "Unauthorized"}


class Writer:
    """Collects `paths`, and in `named` the definitions that they name."""

    def __init__(self) -> None:
        self.paths: dict[str, Json] = {}
        self.named: set[str] = set()
        self._written: dict[str, Json] = {}

    def add(self, path: str, item: Mapping[str, Operation]) -> None:
        """Write the operations (by method) of one path."""
        if not item:
            return
        first, *others = item.values()
        shared = [name for name in first.parameters if all(name in other.parameters for other in others)]
        out: Json = {method: self._operation(one, shared) for method, one in item.items()}
        if shared:
            out["parameters"] = [self._parameter(name) for name in shared]
        self.paths[path] = out

    def _operation(self, one: Operation, shared: list[str]) -> Json:
        out: Json = {"operationId": one.id, "tags": [one.tag]}
        if one.kind is not None:
            out["x-kubernetes-action"] = one.action
            out["x-kubernetes-group-version-kind"] = dict(zip(("group", "version", "kind"), one.kind, strict=True))
        own = [self._parameter(name) for name in one.parameters if name not in shared]
        self.named |= {name for name in (one.body, one.answer) if name and name != TEXT}
        return out | self._rest(one, own)

    def _rest(self, one: Operation, own: list[Json]) -> Json:
        raise NotImplementedError

    def _parameter(self, name: str) -> Json:
        raise NotImplementedError


class Writer2(Writer):
    """Version 2. `parameters`: those that are referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: dict[str, Json] = {}

    def _rest(self, one: Operation, own: list[Json]) -> Json:
        if one.body is not None:
            body: Json = {"name": "body", "in": "body", "schema": _schema(one.body, REF)}
            own = [body | ({"required": True} if one.must else {}), *own]
        answer = _schema(one.answer, REF)
        responses: Json = {code: {"description": _CODES[code], "schema": answer} for code in one.codes}
        out: Json = {"consumes": list(one.takes), "produces": list(one.gives)}
        return out | ({"parameters": own} if own else {}) | {"responses": responses | {"401": _UNAUTHORIZED}}

    def _parameter(self, name: str) -> Json:
        found = self._written.get(name)
        if found is None:
            found = written(name, third=False)
            if name not in INLINE:
                # named by what it says, so that documents can be merged
                key = f"{found['name']}-{hashlib.sha256(codec.encode(found)).hexdigest()[:8]}"
                self.parameters[key] = found
                found = {"$ref": f"#/parameters/{key}"}
            self._written[name] = found
        return found


class Writer3(Writer):
    """Version 3."""

    def _rest(self, one: Operation, own: list[Json]) -> Json:
        out: Json = {"parameters": own} if own else {}
        if one.body is not None:
            schema = _schema(one.body, REF3)
            body: Json = {"content": {media: {"schema": schema} for media in one.takes}}
            out["requestBody"] = body | ({"required": True} if one.must else {})
        content = {media: {"schema": _schema(one.answer, REF3)} for media in one.gives}
        responses: Json = {code: {"description": _CODES[code], "content": content} for code in one.codes}
        return out | {"responses": responses | {"401": _UNAUTHORIZED}}

    def _parameter(self, name: str) -> Json:
        if name not in self._written:
            self._written[name] = written(name, third=True)
        return self._written[name]


def _schema(name: str, ref: str) -> Json:
    if name == TEXT:
        return {"type": "string"}
    return {"$ref": f"{ref}{name}"} if name else {"type": "object"}
