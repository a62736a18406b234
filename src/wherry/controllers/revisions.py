"""Revisions: the history of pod templates that StatefulSets and DaemonSets keep as ControllerRevision objects.

The data of a revision is a strategic merge patch that puts the template back, because that is what
`kubectl rollout undo` applies: {"spec": {"template": {..., "$patch": "replace"}}}.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/controller-revision-v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import fields, replace

from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.core.podspec_defaults import default_template
from wherry.api.types.apps import ControllerRevision
from wherry.api.types.core import PodTemplateSpec
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.hashing import template_hash
from wherry.machinery.meta import Key, LabelSelector, Object, ObjectMeta, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import compile_selector
from wherry.reconcile.actions import Action, Create, Delete, Replace
from wherry.reconcile.ownership import claim, reference
from wherry.reconcile.view import View

HASH = "controller.kubernetes.io/hash"
POD_HASH = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class History:
    """Known revisions, oldest first; the one of the present template; what has to be written.

    `collided`: the name of a new revision is taken by something else; another hash is needed.
    """

    known: tuple[ControllerRevision, ...]
    update: ControllerRevision
    actions: tuple[Action, ...] = ()
    collided: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose history it is. `limit`: how many old revisions are kept; `label`: what holds a revision's hash."""

    resource: Resource[Any]
    owner: Object
    template: PodTemplateSpec
    selector: LabelSelector | None
    collisions: int | None
    limit: int | None
    label: str = HASH


def history(view: View, subject: Subject) -> History:
    """Find the revision of the present template, or plan to make it."""
    found = claim(view, CONTROLLERREVISION, subject.owner, subject.resource, compile_selector(subject.selector))
    known = tuple(sorted(found.ours, key=lambda r: (r.revision, r.metadata.creation_timestamp or "", r.metadata.name)))
    newest = known[-1].revision if known else 0
    same = [revision for revision in known if _holds(revision, subject.template)]
    if same:
        update = same[-1]
        actions = list(found.actions)
        if update.revision < newest:  # rolled back: the old revision becomes the newest
            update = replace(update, revision=newest + 1)
            actions.append(Replace(CONTROLLERREVISION, update))
        return History(known, update, tuple(actions))
    made = _new(subject, newest + 1)
    if view.get(CONTROLLERREVISION, key_of(made)) is not None:
        return History(known, made, tuple(found.actions), collided=True)
    return History(known, made, (*found.actions, Create(CONTROLLERREVISION, made)))


def _holds(revision: ControllerRevision, template: PodTemplateSpec) -> bool:
    """Whether a revision is of this template, also when it was made before a default of the template's was known."""
    there = template_of(revision)
    return there is not None and (there == template or default_template(there) == template)


def template_of(revision: ControllerRevision) -> PodTemplateSpec | None:
    """The template a revision holds; None if its data are not of our making."""
    try:
        return from_dict(PodTemplateSpec, revision.data["spec"]["template"])
    except (KeyError, TypeError, ValueError):
        return None


def _new(subject: Subject, number: int) -> ControllerRevision:
    data = {"spec": {"template": {"$patch": "replace", **_written(subject.template, to_dict(subject.template))}}}
    hash_ = template_hash(subject.template, subject.collisions)
    owner = subject.owner.metadata
    return ControllerRevision(
        metadata=ObjectMeta(
            name=f"{owner.name[:223]}-{hash_}",
            namespace=owner.namespace,
            labels={**subject.template.metadata.labels, subject.label: hash_},
            owner_references=(reference(subject.resource, subject.owner),),
        ),
        data=data,
        revision=number,
    )


def _written(value: Any, plain: Any) -> Any:
    """`plain`, the JSON of `value`, as Go writes it: keys in order, and structs though empty. Clients compare bytes."""
    match value:
        case Struct():
            inner = {f.encode_name: getattr(value, f.name) for f in fields(value)}
            there = {name: plain.get(name, {}) for name, v in inner.items() if name in plain or isinstance(v, Struct)}
            return {name: _written(inner[name], there[name]) for name in sorted(there)}
        case tuple() | list():
            return [_written(one, other) for one, other in zip(value, plain, strict=True)]
        case Mapping():
            return {name: _written(value[name], plain[name]) for name in sorted(plain)}
        case _:
            return plain


def hash_of(revision: ControllerRevision) -> str:
    """The hash of a DaemonSet's revision, as its pods carry it."""
    labels = revision.metadata.labels
    return labels.get(POD_HASH) or labels.get(HASH, "")


def superfluous(found: History, live: Iterable[str], limit: int | None) -> Sequence[Delete]:
    """Oldest revisions beyond the limit that are not `live` (names in use)."""
    names = {found.update.metadata.name, *live}
    unused = [revision for revision in found.known if revision.metadata.name not in names]
    excess = len(unused) - (10 if limit is None else limit)
    return [Delete(CONTROLLERREVISION, key_of(old), old.metadata.uid) for old in unused[: max(0, excess)]]


def named(view: View, namespace: str, name: str) -> ControllerRevision | None:
    """A revision by name."""
    return view.get(CONTROLLERREVISION, Key(namespace, name)) if name else None
