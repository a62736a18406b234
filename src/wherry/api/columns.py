"""Cells that many kinds print alike, as `kubectl get` of 1.37 shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wherry.api.types.core import Container
from wherry.api.types.rbac import Subject
from wherry.machinery.meta import LabelSelector
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_selector
from wherry.machinery.table import age

AGE: Column[Any] = Column(
    "Age",
    lambda obj, now: age(obj.metadata.creation_timestamp, now),
    description="How long ago the object was made.",
)


def name_column(*, wide: bool = False) -> Column[Any]:
    """The name where a kind does not want it first: it then stands where this column is."""
    return Column("Name", lambda obj, _: obj.metadata.name, wide=wide, format="name")


def or_none(text: str | None) -> str:
    """The text, or `<none>`."""
    return text or "<none>"


def or_unset(text: str | None) -> str:
    """The text, or `<unset>` where there is no value (an empty text is one)."""
    return "<unset>" if text is None else text


def container_names(containers: Iterable[Container]) -> str:
    """Their names, comma-separated."""
    return ",".join(container.name for container in containers)


def container_images(containers: Iterable[Container]) -> str:
    """Their images, comma-separated."""
    return ",".join(container.image for container in containers)


def boolean(value: bool | None) -> str:  # noqa: FBT001  # it is the value to print
    """`True`, `False` or `<unset>`."""
    return "<unset>" if value is None else str(value)


def first_few(items: Sequence[str], limit: int = 3) -> str:
    """The first items, and how many more there are; `<unset>` for none."""
    shown = ",".join(items[:limit])
    if len(items) > limit:
        return f"{shown} + {len(items) - limit} more..."
    return shown or "<unset>"


def balancer_addresses(ingress: Iterable[Any]) -> str:
    """Addresses or host names of a load balancer's status, sorted."""
    return ",".join(sorted({point.ip or point.hostname for point in ingress} - {""}))


def workload_columns(template: Any, selector: Any) -> tuple[Column[Any], ...]:
    """Containers, Images, Selector, shown wide: `template(obj)` is a pod template, `selector(obj)` a LabelSelector."""
    return (
        Column("Containers", lambda obj, _: container_names(template(obj).spec.containers), wide=True),
        Column("Images", lambda obj, _: container_images(template(obj).spec.containers), wide=True),
        Column("Selector", lambda obj, _: _selector(selector(obj)), wide=True),
    )


def _selector(selector: LabelSelector | None) -> str:
    return format_selector(selector)


def subjects_of(subjects: Iterable[Subject], kind: str) -> str:
    """Names of a binding's subjects of one kind; service accounts with their namespaces."""
    own = (s for s in subjects if s.kind == kind)
    return ", ".join(f"{s.namespace}/{s.name}" if kind == "ServiceAccount" else s.name for s in own)


def parameters_of(kind: Any) -> str:
    """`apiVersion/Kind` of an admission policy's parameters."""
    return "<unset>" if kind is None else f"{kind.api_version}/{kind.kind}"


def parameter_reference(reference: Any) -> str:
    """What an admission policy binding gives as parameters."""
    if reference is None:
        return "<unset>"
    if reference.name:
        return f"{reference.namespace or '*'}/{reference.name}"
    return "<unset>" if reference.selector is None else format_selector(reference.selector)
