"""Annotations of pods that mean something to the API: pod deletion cost, mirror pods."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wherry.api.checks import Errors
from wherry.api.types.core import PodSpec
from wherry.machinery.validation import forbidden, invalid

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"

_COST = re.compile("0|-?[1-9][0-9]*", re.ASCII)


def deletion_cost(annotations: Mapping[str, str]) -> int:
    """What it costs to lose the pod, by its own word: 0 if it says nothing, or nothing that can be read."""
    text = annotations.get(DELETION_COST, "0")
    cost = int(text) if len(text) < 12 and _COST.fullmatch(text) else 0
    return cost if -(2**31) <= cost < 2**31 else 0


def pod_annotations(path: str, annotations: Mapping[str, str], spec: PodSpec) -> Errors:
    """The annotations of a pod or a template."""
    if MIRROR in annotations and not spec.node_name:
        why = "must set spec.nodeName if mirror pod annotation is set"
        yield invalid(f"{path}[{MIRROR}]", annotations[MIRROR], why)
    cost = annotations.get(DELETION_COST)
    if cost is not None and cost != "0" and not deletion_cost(annotations):
        yield invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer")


def annotation_updates(path: str, new: Mapping[str, str], old: Mapping[str, str]) -> Errors:
    """A pod does not become a mirror of a static one, nor cease to be it."""
    if MIRROR in old and new.get(MIRROR) != old[MIRROR]:
        yield forbidden(f"{path}[{MIRROR}]", "may not remove or update mirror pod annotation")
    if MIRROR in new and MIRROR not in old:
        yield forbidden(f"{path}[{MIRROR}]", "may not add mirror pod annotation")
