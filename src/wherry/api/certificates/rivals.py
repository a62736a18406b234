"""Rivals: requests of different keys for the first certificate of one node, made before the node is there.

Two machines that join under one name in the same seconds would otherwise both get a certificate, and fight for the
Node. The first one gets it; the other is denied. A machine that lost its certificate before it was a node can ask again
when the first request is old enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from cryptography.hazmat.primitives import serialization

from wherry.api.certificates.signing import node_asked_for, parse
from wherry.api.types.certificates import CertificateSigningRequest
from wherry.machinery import conditions
from wherry.machinery.time import seconds

JOINING = 60.0
"""Seconds that a machine has from its certificate to its Node."""


def standing(
    request: CertificateSigningRequest, others: Iterable[CertificateSigningRequest], now: float
) -> Literal["first", "waits", "late"]:
    """How this request for a node's client certificate stands among all (it may be one of them): first; to be looked at
    again once an older one is decided; or late, because another key has the name. `now` is in epoch seconds."""
    node = node_asked_for(request)
    waits = False
    for other in others:
        if not _rivals(request, other, node):
            continue
        approved = conditions.get(other.status.conditions, "Approved")
        if approved is None:
            waits = waits or _revision(other) < _revision(request)
        elif approved.last_update_time is None or now - seconds(approved.last_update_time) < JOINING:
            return "late"
    return "waits" if waits else "first"


def _rivals(request: CertificateSigningRequest, other: CertificateSigningRequest, node: str) -> bool:
    same = other.metadata.uid == request.metadata.uid or other.spec.signer_name != request.spec.signer_name
    if same or node_asked_for(other) != node:
        return False
    over = any(conditions.is_true(other.status.conditions, kind) for kind in ("Denied", "Failed"))
    return not over and _key(other) != _key(request)


def _revision(request: CertificateSigningRequest) -> int:
    return int(request.metadata.resource_version or 0)


def _key(request: CertificateSigningRequest) -> bytes:
    return (
        parse(request.spec.request or b"")
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
