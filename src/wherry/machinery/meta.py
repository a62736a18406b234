"""ObjectMeta and friends: what every object shares. Immutable, camelCase on the wire.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
Go's zero values are the defaults here and are left out on the wire, as Go's omitempty does; where Go has a pointer the
type is `X | None`; where Go always writes a field, the generator uses `default_factory`, which is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from wherry.machinery.quantity import Quantity
from wherry.machinery.time import Time

M = TypeVar("M")


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """Base of every API type.

    Subclasses repeat `frozen=True`: mypy rejects one that forgets, and then rejects every assignment to a field.
    """


# Defaults that Go always writes: msgspec leaves out a default, but never what a factory of ours returns.


def empty_text() -> str:
    """A string field that is written even when empty."""
    return ""


def zero() -> int:
    """An integer field that is written even when 0."""
    return 0


def zero_float() -> float:
    """A number field that is written even when 0."""
    return 0.0


def no() -> bool:
    """A boolean field that is written even when false."""
    return False


def no_items() -> tuple[Any, ...]:
    """A list field that is written even when empty."""
    return ()


def no_time() -> None:
    """A time field that is written as null when there is none."""


def shown(struct: type[M]) -> Callable[[], M]:
    """For a struct field that is written as {} when there is nothing in it: all such fields share one object."""
    empty = struct()
    return lambda: empty


def zero_quantity() -> Quantity:
    """A quantity field that is written even when 0."""
    return Quantity("0")


class OwnerReference(Model, frozen=True):
    """Who owns an object: garbage collection and adoption follow it."""

    api_version: str = msgspec.field(default_factory=empty_text)
    kind: str = msgspec.field(default_factory=empty_text)
    name: str = msgspec.field(default_factory=empty_text)
    uid: str = msgspec.field(default_factory=empty_text)
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(Model, frozen=True):
    """Which fields one manager owns, in one API version (KEP-555)."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = ""
    fields_v1: Any = msgspec.field(default=None, name="fieldsV1")
    subresource: str = ""


class ObjectMeta(Model, frozen=True):
    """Identity, versions, labels and life cycle of one object. `resource_version` stays first: see `wherry.store`."""

    resource_version: str = ""
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: int | None = None
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()


class ListMeta(Model, frozen=True):
    """Position and continuation of a list."""

    resource_version: str = ""
    self_link: str = ""
    # "continue" is a Python keyword
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class LabelSelectorRequirement(Model, frozen=True):
    """`key operator values`, operator one of In, NotIn, Exists, DoesNotExist."""

    key: str = msgspec.field(default_factory=empty_text)
    operator: str = msgspec.field(default_factory=empty_text)
    values: tuple[str, ...] = ()


class LabelSelector(Model, frozen=True):
    """Labels that must all match. Empty matches everything; None (absent) matches nothing."""

    match_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class Condition(Model, frozen=True):
    """metav1.Condition: one observation of an object's state."""

    type: str = msgspec.field(default_factory=empty_text)
    status: str = msgspec.field(default_factory=empty_text)
    observed_generation: int = 0
    last_transition_time: Time | None = msgspec.field(default_factory=no_time)
    reason: str = msgspec.field(default_factory=empty_text)
    message: str = msgspec.field(default_factory=empty_text)


class Preconditions(Model, frozen=True):
    """What must still hold for a delete to happen."""

    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(Model, frozen=True):
    """Body of a DELETE. `propagation_policy`: Orphan, Background or Foreground."""

    kind: str = ""
    api_version: str = ""
    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: tuple[str, ...] = ()
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None


class Object(Model, frozen=True):
    """Any served object. Kinds add spec, status, data; `kind`, `apiVersion`, `metadata` are first on the wire."""

    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What queues carry and caches index: a name in a namespace ("" for cluster-scoped objects)."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


T = TypeVar("T", bound=Object)


def key_of(obj: Object) -> Key:
    """The object's place among those of its kind."""
    return Key(obj.metadata.namespace, obj.metadata.name)


def controller_of(obj: Object) -> OwnerReference | None:
    """The one owner that manages this object, if any."""
    return next((ref for ref in obj.metadata.owner_references if ref.controller), None)
