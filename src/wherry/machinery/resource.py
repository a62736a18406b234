"""Resource: the declaration from which one kind is served, stored, printed, watched and reconciled.

Routes, discovery, OpenAPI, tables, /status, /scale and RBAC names derive from it. Built-in kinds declare theirs in
`wherry.api`, one file each; a CustomResourceDefinition builds the same thing at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from wherry.machinery.meta import T
from wherry.machinery.validation import FieldError


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of `kubectl get`. `cell(obj, now)` returns str, int or None; `wide` columns show with `-o wide`.

    Times are shown as ages: let `cell` return `wherry.machinery.table.age(timestamp, now)`.
    """

    header: str
    cell: Callable[[T, float], object]
    wide: bool = False
    type: str = "string"  # string | integer | number | boolean | date
    format: str = ""  # "name" for the first column
    description: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the /scale subresource finds its numbers (paths in the object's JSON)."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"  # a LabelSelector, a map of labels, or a selector string in status


def _same(obj: T) -> T:
    return obj


def _as_sent(new: T, old: T | None) -> T:
    return new


def _nothing(new: T, old: T | None) -> Iterable[FieldError]:
    return ()


def _no_warning(new: T, old: T | None) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Resource(Generic[T]):
    """One served kind in one version. Compared by identity, so it can key dicts."""

    type: type[T]
    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    subresources: tuple[str, ...] = ()  # names as in discovery: "status", "scale", "log", ...
    scale: Scale | None = None
    default: Callable[[T], T] = _same
    """Fill in what upstream's defaulting fills in. Pure; applied to what clients send and to what the store holds."""
    prepare: Callable[[T, T | None], T] = _as_sent
    """(new, old or None on create) -> new with what clients may not set put right, beyond what
    `apiserver.strategy` does for every kind (status isolation, generation, metadata)."""
    validate: Callable[[T, T | None], Iterable[FieldError]] = _nothing
    """(new, old or None on create): every refused field."""
    validate_status: Callable[[T, T | None], Iterable[FieldError]] = _nothing
    """The same for a write to /status."""
    checks: Mapping[str, Callable[[T, T | None], Iterable[FieldError]]] = field(default_factory=dict)
    """By subresource (`binding`, `resize`, `finalize`, ...): what is checked there in place of `validate`. Such writes
    do not pass through `prepare` either."""
    warn: Callable[[T, T | None], Iterable[str]] = _no_warning
    """Warnings for the client (`Warning: 299` headers)."""
    deprecated: str = ""
    """What everybody who uses the kind is warned of."""
    columns: tuple[Column[T], ...] = ()
    """Columns after NAME and before nothing: AGE is written by the kind itself where upstream has it."""
    fields: Mapping[str, Callable[[T], str]] | None = None
    """Selectable fields beyond metadata.name and metadata.namespace: {"spec.nodeName": lambda pod: ...}."""
    grace: Callable[[T, int | None], int] | None = None
    """Kinds with graceful deletion (Pod): (obj, asked seconds or None) -> seconds to grant; 0 deletes at once."""
    ending: Callable[[T], T] = _same
    """What is done to an object when it is marked for deletion: finalizers that somebody here waits for."""
    defined: bool = False
    """A kind that a CustomResourceDefinition defines, declared here with the part of it that we read."""
    custom: Any = None  # wherry.apiserver.crd.compiled.Compiled; None for built-in kinds

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether /status is served, so that status is isolated from spec."""
        return "status" in self.subresources

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural
