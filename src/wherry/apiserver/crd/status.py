"""What a definition's status says: which of its names are accepted, and whether it is served. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/#CustomResourceDefinitionStatus
Names belong to who had them first; a definition that loses keeps what it had. Once established it stays so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from wherry.api.apiextensions.approval import approval_state
from wherry.api.types.apiextensions import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
)
from wherry.machinery import conditions
from wherry.machinery.time import Time

Names = CustomResourceDefinitionNames
Condition = CustomResourceDefinitionCondition


def status_of(
    crd: CustomResourceDefinition, others: Iterable[CustomResourceDefinition], now: Time, *, bad_ca: bool = False
) -> CustomResourceDefinitionStatus:
    """The status it should have; `others` are those of its group. `bad_ca`: its webhook's CA bundle is none."""
    accepted, naming = _named(crd, others)
    found = conditions.put(crd.status.conditions, naming, now)
    approval = approval_state(crd)
    if approval is not None:
        found = conditions.put(found, _approval(*approval), now)
    established = _established(crd, naming, bad_ca=bad_ca)
    if established is not None:
        found = conditions.put(found, established, now)
    return replace(crd.status, accepted_names=accepted, conditions=found)


def is_established(crd: CustomResourceDefinition) -> bool:
    """Whether its status says that it is served."""
    return conditions.is_true(crd.status.conditions, "Established")


def condition(kind: str, reason: str, message: str, *, true: bool) -> Condition:
    """A condition without its time."""
    return Condition(type=kind, status="True" if true else "False", reason=reason, message=message)


def _named(crd: CustomResourceDefinition, others: Iterable[CustomResourceDefinition]) -> tuple[Names, Condition]:
    wanted, own = crd.spec.names, crd.status.accepted_names
    plurals, kinds = _taken(others)
    accepted = own
    problem: tuple[str, str] | None = None
    for field, taken, reason in (
        ("plural", plurals, "PluralConflict"),
        ("singular", plurals, "SingularConflict"),
        ("short_names", plurals, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("list_kind", kinds, "ListKindConflict"),
    ):
        new, old = getattr(wanted, field), getattr(own, field)
        found = _clash(new, old, taken)
        if found:
            problem = (reason, found)
        else:
            accepted = replace(accepted, **{field: new})
    accepted = replace(accepted, categories=wanted.categories)
    if problem is not None:
        return accepted, condition("NamesAccepted", *problem, true=False)
    return accepted, condition("NamesAccepted", "NoConflicts", "no conflicts found", true=True)


def _taken(others: Iterable[CustomResourceDefinition]) -> tuple[set[str], set[str]]:
    plurals: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        names = other.status.accepted_names
        plurals.update((names.plural, names.singular, *names.short_names))
        kinds.update((names.kind, names.list_kind))
    return plurals - {""}, kinds - {""}


def _clash(new: Any, old: Any, taken: set[str]) -> str:
    """What is wrong with a name, or with any of several; "" for nothing."""
    if new == old:
        return ""
    mine = set(old) if isinstance(old, tuple) else {old}
    asked = new if isinstance(new, tuple) else (new,)
    found = [f"{json.dumps(name)} is already in use" for name in asked if name not in mine and name in taken]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _established(crd: CustomResourceDefinition, naming: Condition, *, bad_ca: bool) -> Condition | None:
    """None: it stays as it is."""
    if is_established(crd):
        return None
    if naming.status != "True":
        return condition("Established", "NotAccepted", "not all names are accepted", true=False)
    if bad_ca:
        return condition("Established", "InvalidCABundle", "The conversion webhook CABundle is invalid", true=False)
    return condition("Established", "InitialNamesAccepted", "the initial names have been accepted", true=True)


def _approval(state: str, message: str) -> Condition:
    reason = {"approved": "ApprovedAnnotation", "bypassed": "UnapprovedAnnotation", "missing": "MissingAnnotation"}.get(
        state, "InvalidAnnotation"
    )
    return condition("KubernetesAPIApprovalPolicyConformant", reason, message, true=state == "approved")
