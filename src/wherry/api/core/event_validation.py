"""Validation of events: who they are about, and in the newer form also who says so."""

from __future__ import annotations

from typing import NamedTuple

from wherry.api.checks import Errors, named
from wherry.api.types.core import ObjectReference
from wherry.machinery.names import qualified_name
from wherry.machinery.validation import invalid, required


class Said(NamedTuple):
    """What both event APIs have, by their own names."""

    about: ObjectReference
    namespace: str
    timed: bool  # has an eventTime
    controller: str
    instance: str
    action: str
    reason: str
    note: str


def said(own: Said, controller_field: str) -> Errors:
    """The rules of both APIs. `controller_field`: what the older one calls reportingComponent."""
    where = own.about.namespace
    at = "involvedObject.namespace"
    if not own.timed:
        outside = own.namespace not in ("", "default") if not where else own.namespace != where
        if outside:
            yield invalid(at, where, "does not match event.namespace")
        return
    if not where and own.namespace not in ("default", "kube-system"):
        yield invalid(at, where, "does not match event.namespace")
    if not own.controller:
        yield required(controller_field)
    yield from named(controller_field, own.controller, qualified_name)
    for field, text, limit in (
        ("reportingInstance", own.instance, 128),
        ("action", own.action, 128),
        ("reason", own.reason, 128),
        ("message", own.note, 1024),
    ):
        if not text and field != "message":
            yield required(field)
        if len(text.encode()) > limit:
            yield invalid(field, "", f"can have at most {limit} characters")
