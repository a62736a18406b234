"""Compiled: one version of a custom resource, ready to read, default, check and show objects. `Resource.custom`.

Objects are frozen structs made for the version: metadata is typed, every other top-level field is JSON. What is shared
is never changed: whoever changes JSON works on a copy of his own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from wherry.api.types.merge import MERGE
from wherry.apiserver.crd.embedded import Malformed, check_embedded, coerce, read_meta, unknown_meta
from wherry.apiserver.shapes import go_message
from wherry.machinery import codec
from wherry.machinery.fields import StructTypes, TypeInfo
from wherry.machinery.meta import Object, ObjectMeta
from wherry.machinery.structural import defaulting, merging
from wherry.machinery.structural.pruning import prune
from wherry.machinery.structural.schema import Json, Structural, structural
from wherry.machinery.structural.uniqueness import repeated
from wherry.machinery.structural.values import ABSENT, Check, validate
from wherry.machinery.validation import FieldError, invalid

if TYPE_CHECKING:
    from wherry.machinery.structural.rules import Rules

_META = StructTypes(MERGE)(ObjectMeta)
_BLOCKING = frozenset({"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
                       "FieldValueTypeInvalid"})  # fmt: skip
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
_WIDER = 64  # types made for other top-level fields than the declared ones


class Unreadable(ValueError):
    """The JSON is no such object; the message is what Go's decoder says."""


class Compiled:
    """A version's schema and what follows from it."""

    def __init__(self, group: str, version: str, kind: str, raw: Json) -> None:
        self.api_version = f"{group}/{version}"
        self.kind = kind
        self.raw = raw
        self.schema: Structural = structural(raw)
        self.check = Check(raw)
        self._info: TypeInfo | None = None
        self._rules: Rules | None = None
        self._ruled = self.schema.ruled
        self._wider: dict[frozenset[str], type[Any]] = {}
        self._names = _attributes({"spec", "status", *self.schema.properties})
        self.type = _struct(kind, self._names)

    # --- from JSON and back ---

    def typed(self, content: dict[str, Any]) -> Any:
        """JSON (from then on the object's own) as an object. Raises Unreadable."""
        extra = content.keys() - self._names.keys() - {"kind", "apiVersion", "metadata"}
        kind = self._wide(frozenset(extra)) if extra else self.type
        try:
            return codec.adopt(kind, content)
        except msgspec.ValidationError:
            pass
        try:
            meta = codec.to_dict(read_meta(content.get("metadata") or {}))
            return codec.adopt(kind, {**content, "metadata": meta})
        except msgspec.ValidationError as error:
            raise Unreadable(go_message(error, ObjectMeta)) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise Unreadable(f"json: {error}") from None

    def _wide(self, extra: frozenset[str]) -> type[Any]:
        found = self._wider.get(extra)
        if found is None:
            if len(self._wider) >= _WIDER:
                self._wider.clear()
            found = self._wider[extra] = _struct(self.kind, _attributes({*self._names, *extra}))
        return found

    def read(self, content: dict[str, Any]) -> tuple[Any, list[str]]:
        """What a client sent (the caller's own copy) -> the pruned object, and what is unknown in it.

        Raises Unreadable.
        """
        unknown = unknown_meta(content.get("metadata"), "metadata")
        try:
            unknown += coerce(content, self.schema, "", lenient=False)
        except Malformed as error:
            raise Unreadable(str(error)) from None
        unknown += prune(content, self.schema)
        return self.typed(content), sorted(unknown)

    def clean(self, content: dict[str, Any]) -> bool:
        """Make stored or converted JSON what this version shows: pruned and defaulted. Whether anything changed."""
        changed = bool(coerce(content, self.schema, "", lenient=True)) if self.schema.special else False
        changed = bool(prune(content, self.schema)) or changed
        return defaulting.default(content, self.schema) or changed

    def stored(self, data: bytes) -> Any:
        """The object in the log's bytes, as this version shows it."""
        content: dict[str, Any] = msgspec.json.decode(data)
        content["apiVersion"] = self.api_version
        self.clean(content)
        return self.typed(content)

    # --- rules of strategy ---

    def default(self, obj: Any) -> Any:
        """The object with its defaults; the very same when there is nothing to fill in."""
        content = codec.to_dict(obj)
        return self.typed(content) if defaulting.default(content, self.schema) else obj

    def clear_status(self, resource: object, obj: Any) -> Any:
        """A new object has no status."""
        return obj if obj.status is msgspec.UNSET else replace(obj, status=msgspec.UNSET)

    def isolate(self, new: Any, old: Any, subresource: str) -> Any:
        """Status changes only through /status, everything else only through the object itself."""
        if subresource == "":
            return replace(new, status=old.status)
        if subresource == "status":
            return replace(old, status=new.status, metadata=new.metadata)
        return new

    def differs(self, new: Any, old: Any) -> bool:
        """Whether anything but metadata differs."""
        if type(new) is type(old):
            return any(getattr(new, n) != getattr(old, n) for n in new.__struct_fields__ if n != "metadata")
        one, other = codec.to_dict(new), codec.to_dict(old)
        return {**one, "metadata": None} != {**other, "metadata": None}

    @property
    def type_info(self) -> TypeInfo:
        """How values merge when applied."""
        if self._info is None:
            self._info = merging.type_info(self.schema, _META)
        return self._info

    # --- validation ---

    def validate(self, new: Any, old: Any | None) -> Iterator[FieldError]:
        """Everything wrong with an object, as far as it has changed."""
        content = codec.to_dict(new)
        before = ABSENT if old is None else codec.to_dict(old)
        errors = validate(self.check, content, before)
        errors += check_embedded(content, self.schema)
        if self.schema.unique and (old is None or not list(repeated(before, self.schema))):
            errors += repeated(content, self.schema)
        yield from errors
        yield from self._by_rules(content, before, errors)

    def _by_rules(self, content: Any, before: Any, errors: Iterable[FieldError]) -> Iterator[FieldError]:
        if not self._ruled:
            return
        if any(error.reason in _BLOCKING for error in errors):
            yield invalid("<nil>", None, _UNCHECKED)
            return
        from wherry.machinery.structural import rules  # large, and not for all

        if self._rules is None:
            self._rules = rules.rules_of(self.raw, root=True) or rules.Rules(self.raw, None)
        yield from rules.check_rules(self._rules, content, before)

    def validate_status(self, new: Any, old: Any | None) -> Iterator[FieldError]:
        """Everything wrong with a status."""
        part = self.check.properties.get("status")
        content = codec.to_dict(new)
        before = {} if old is None else codec.to_dict(old)
        errors: list[FieldError] = []
        if part is not None and "status" in content:
            errors = [_below_status(e) for e in validate(part, content["status"], before.get("status", ABSENT))]
        unique = self.schema.properties.get("status")
        if unique is not None and unique.unique and not list(repeated(before.get("status"), unique, "status")):
            errors += repeated(content.get("status"), unique, "status")
        yield from errors
        yield from self._by_rules(content, ABSENT if old is None else before, errors)


def _below_status(error: FieldError) -> FieldError:
    path = {"<nil>": "status", "": "status"}.get(error.path)
    if path is None:
        path = f"status{error.path}" if error.path.startswith("[") else f"status.{error.path}"
    return error._replace(path=path)


def _attributes(wires: Iterable[str]) -> dict[str, str]:
    """Top-level field -> attribute; `spec` and `status` are called so."""
    reserved = {"kind", "apiVersion", "metadata"}
    names = sorted(set(wires) - reserved)
    taken = {"kind", "api_version", "metadata"}
    plain = {n: n for n in names if n.isidentifier() and not iskeyword(n) and not n.startswith("_") and n not in taken}
    return plain | {name: f"field_{index}_" for index, name in enumerate(names) if name not in plain}


def _struct(kind: str, names: Mapping[str, str]) -> type[Any]:
    fields = [(attribute, Any, msgspec.UNSET) for attribute in names.values()]
    return msgspec.defstruct(
        kind, fields, bases=(Object,), frozen=True, kw_only=True, omit_defaults=True, gc=False,
        rename={attribute: wire for wire, attribute in names.items()},
    )  # fmt: skip
