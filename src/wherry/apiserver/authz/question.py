"""Question and Decision: what an authorizer outside is asked, and what one may answer. Pure.

A Question is the Attributes that rules see, with what only others look at: the version and the selectors (KEP-4601).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.apiserver.authz.rules import Attributes

Requirement = tuple[str, str, tuple[str, ...]]
"""(key, In | NotIn | Exists | DoesNotExist, values)"""


class Decision(NamedTuple):
    """Neither allowed nor denied: no opinion."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""
    error: str = ""


class Question(NamedTuple):
    """May they?"""

    asked: Attributes
    version: str = ""
    fields: tuple[Requirement, ...] = ()
    labels: tuple[Requirement, ...] = ()


def spec_of(question: Question) -> dict[str, Any]:
    """The spec of the SubjectAccessReview that asks it."""
    asked = question.asked
    user = asked.user
    spec: dict[str, Any] = {"user": user.name}
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if asked.path:
        spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
        return spec
    attributes: dict[str, Any] = {
        "namespace": asked.namespace,
        "verb": asked.verb,
        "group": asked.group,
        "version": question.version,
        "resource": asked.resource,
        "subresource": asked.subresource,
        "name": asked.name,
    }
    spec["resourceAttributes"] = {key: value for key, value in attributes.items() if value}
    for key, requirements in (("fieldSelector", question.fields), ("labelSelector", question.labels)):
        if requirements:
            spec["resourceAttributes"][key] = {"requirements": [_requirement(r) for r in requirements]}
    return spec


def _requirement(requirement: Requirement) -> dict[str, Any]:
    key, operator, values = requirement
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
