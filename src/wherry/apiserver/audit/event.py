"""Event: one record of the audit log, audit.k8s.io/v1 Event, made from a request and its answer. Pure.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from wherry.apiserver.authn.user import User
from wherry.apiserver.http import Request
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.time import time_at

LARGEST = 1024 * 1024
"""Bytes of a body that is told whole; of a larger one only the annotation TRUNCATED."""
TRUNCATED = "audit.k8s.io/truncated"
METHOD = "authentication.wherry.io/method"
"""Annotation: how the user authenticated."""


class UserInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """authentication.k8s.io/v1 UserInfo."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}


class ObjectRef(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a request was about."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    api_version: str = ""
    resource_version: str = ""
    subresource: str = ""


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One stage of one request."""

    level: str
    audit_id: str = msgspec.field(name="auditID")
    stage: str
    request_uri: str = msgspec.field(name="requestURI")
    verb: str
    user: msgspec.Raw
    request_received_timestamp: str
    stage_timestamp: str
    impersonated_user: msgspec.Raw | None = None
    source_ips: tuple[str, ...] = msgspec.field(default=(), name="sourceIPs")
    user_agent: str = ""
    object_ref: ObjectRef | None = None
    response_status: Mapping[str, Any] | None = None
    request_object: msgspec.Raw | None = None
    response_object: msgspec.Raw | None = None
    annotations: Mapping[str, str] = {}


_HEAD = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1",'
_encode = msgspec.json.Encoder().encode


def line(event: Event) -> bytes:
    """The record on one line, without a line feed."""
    try:
        return _HEAD + _encode(event)[1:]
    except UnicodeEncodeError:  # what a client sent is no UTF-8: told in escapes, and without bodies
        plain = msgspec.structs.replace(
            event,
            request_object=None,
            response_object=None,
            request_uri=_escaped(event.request_uri),
            user_agent=_escaped(event.user_agent),
            object_ref=None,
            annotations={_escaped(k): _escaped(v) for k, v in event.annotations.items()},
        )
        return _HEAD + _encode(plain)[1:]


def _escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


@lru_cache(maxsize=1024)
def _user(name: str, uid: str, groups: tuple[str, ...]) -> msgspec.Raw:
    return msgspec.Raw(_encode(UserInfo(name, uid, groups)))


def user_info(user: User) -> msgspec.Raw:
    """A user as records show it."""
    try:
        if not user.extra:
            return _user(user.name, user.uid, user.groups)
        return msgspec.Raw(_encode(UserInfo(user.name, user.uid, user.groups, user.extra)))
    except UnicodeEncodeError:
        return msgspec.Raw(json.dumps({"username": user.name, "groups": user.groups}).encode())


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return time_at(second)[:-1]


def stamp(now: float) -> str:
    """An epoch second as a record shows it."""
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1e6):06d}Z"


def object_ref(info: RequestInfo, made: msgspec.Raw | bytes | None) -> ObjectRef | None:
    """What a request is about; `made` is the object it made, for the name of a create."""
    if not info.is_resource:
        return None
    name, uid = info.name, ""
    if not name and made:
        try:
            meta = _META.decode(made).metadata
            name, uid = meta.name, meta.uid
        except msgspec.MsgspecError:
            name = ""
    return ObjectRef(
        info.resource, info.namespace, name, uid, info.group, info.version, subresource=info.subresource
    )  # fmt: skip


class _Names(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""


class _Meta(msgspec.Struct, frozen=True):
    metadata: _Names = _Names()


_META = msgspec.json.Decoder(_Meta)


def how(request: Request, user: User) -> str:
    """How the user authenticated: by what the request shows. Values are wherry's own."""
    if "system:unauthenticated" in user.groups:
        return "anonymous"
    certificate = request.session.get("wherry.certificate")  # as the authenticator leaves it
    if certificate is not None and certificate.user is not None and not certificate.proxy:
        return "client-certificate"
    if request.headers.get("Authorization"):
        return "service-account-token" if user.service_account else "bearer-token"
    return "front-proxy" if certificate is not None else "inside"


def without_bodies(event: Event) -> Event:
    """The same event without what was sent and answered, and with the mark that says so."""
    notes = {**event.annotations, TRUNCATED: "true"}
    return msgspec.structs.replace(event, request_object=None, response_object=None, annotations=notes)


def told(body: bytes, *, omit_managed_fields: bool) -> msgspec.Raw | None:
    """A JSON body as part of a record: on one line, without managedFields if so asked; None: it cannot be told."""
    if not body or len(body) > LARGEST:
        return None
    try:
        if omit_managed_fields and b'"managedFields"' in body:
            decoded = msgspec.json.decode(body)
            _strip(decoded)
            return msgspec.Raw(_encode(decoded))
        return msgspec.Raw(msgspec.json.format(body, indent=-1))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _strip(obj: Any) -> None:
    if not isinstance(obj, dict):
        return
    meta = obj.get("metadata")
    if isinstance(meta, dict):
        meta.pop("managedFields", None)
    for item in obj.get("items") or ():
        _strip(item)
