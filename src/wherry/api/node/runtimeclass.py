"""node.k8s.io/v1 RuntimeClass: what the API adds to its schema (`wherry.api.types.node`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, fixed, label_map, required_name
from wherry.api.columns import AGE
from wherry.api.core.placement_validation import tolerations
from wherry.api.core.resource_validation import requirements
from wherry.api.declare import declare
from wherry.api.types.core import ResourceRequirements, Toleration
from wherry.api.types.node import RuntimeClass
from wherry.machinery.names import dns_label
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate

COLUMNS: tuple[Column[RuntimeClass], ...] = (
    Column("Handler", lambda c, _: c.handler),
    AGE,
)


def validate(new: RuntimeClass, old: RuntimeClass | None) -> Errors:
    """A handler, which stays."""
    if old is not None:
        yield from fixed("handler", new.handler, old.handler)
    yield from required_name("handler", new.handler, dns_label)
    if new.overhead is not None:
        yield from requirements("overhead", ResourceRequirements(limits=new.overhead.pod_fixed), ())
    if new.scheduling is not None:
        yield from label_map("scheduling.nodeSelector", new.scheduling.node_selector)
        yield from tolerations("scheduling.tolerations", new.scheduling.tolerations)
        seen: list[Toleration] = []
        for index, own in enumerate(new.scheduling.tolerations):
            if replace(own, toleration_seconds=None) in seen:
                yield duplicate(f"scheduling.tolerations[{index}]", own)
            seen.append(replace(own, toleration_seconds=None))


RUNTIMECLASS = declare(RuntimeClass, columns=COLUMNS, validate=validate)
