"""AdmissionReview: what a webhook is asked, and what it may answer. Pure.

https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from wherry.machinery import codec
from wherry.machinery.errors import APIError, from_status

Json = dict[str, Any]
VERSIONS: Final = ("v1", "v1beta1")
_GROUP: Final = "admission.k8s.io"


class Refused(Exception):
    """The answer is none; the text says why."""


class Response(msgspec.Struct, rename="camel", frozen=True):
    """What a webhook has decided."""

    uid: str = ""
    allowed: bool = False
    status: Json | None = None
    patch: bytes | None = None
    patch_type: str | None = None
    audit_annotations: Mapping[str, str] | None = None
    warnings: tuple[str, ...] | None = None


class _Review(msgspec.Struct, rename="camel", frozen=True):
    kind: str = ""
    api_version: str = ""
    response: Response | None = None


_DECODER: Final = msgspec.json.Decoder(_Review)


def question(version: str, uid: str, attributes: Json, obj: Json | None, old: Json | None) -> bytes:
    """The body to post. `attributes`: an AdmissionRequest without what is given here."""
    request = {"uid": uid, **attributes, "object": obj, "oldObject": old}
    return codec.encode({"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{version}", "request": request})


def version_for(accepted: Sequence[str]) -> str:
    """The first version that a webhook accepts and we know. Raises Refused."""
    for version in accepted:
        if version in VERSIONS:
            return version
    raise Refused("webhook does not accept known AdmissionReview versions (v1, v1beta1)")


def answer(body: bytes, version: str, uid: str, *, mutating: bool) -> Response:
    """The response in a body. Raises Refused; the text begins with what kind of failure it is."""
    try:
        review = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"failed to call webhook: {error}") from None
    if not review.kind or not review.api_version:
        missing = "apiVersion" if review.kind else "Kind"
        raise Refused(f"failed to call webhook: Object '{missing}' is missing in the answer")
    found = review.response
    if found is None:
        raise Refused("received invalid webhook response: webhook response was absent")
    if version == "v1":
        why = _fault(review, found, uid, mutating=mutating)
        if why:
            raise Refused(f"received invalid webhook response: {why}")
    return found


def _fault(review: _Review, found: Response, uid: str, *, mutating: bool) -> str:
    """What is wrong with a v1 answer, or "". v1beta1 was never so strict."""
    if found.uid != uid:
        return f'expected response.uid="{uid}", got "{found.uid}"'
    if (review.api_version, review.kind) != (f"{_GROUP}/v1", "AdmissionReview"):
        return (
            f"expected webhook response of {_GROUP}/v1, Kind=AdmissionReview, got "
            f"{review.api_version}, Kind={review.kind}"
        )
    why = ""
    if not mutating:
        if found.patch:
            why = "validating webhook may not return response.patch"
        elif found.patch_type is not None:
            why = "validating webhook may not return response.patchType"
    elif found.patch and found.patch_type is None:
        why = "webhook returned response.patch but not response.patchType"
    elif not found.patch and found.patch_type is not None:
        why = "webhook returned response.patchType but not response.patch"
    elif found.patch_type == "":
        why = 'webhook returned invalid response.patchType of ""'
    return why


def denied(hook: str, status: Json | None) -> APIError:
    """The refusal that a webhook's `status` stands for: always a failure, with its own code, reason and details."""
    status = dict(status or {})
    by = f'admission webhook "{hook}" denied the request'
    said = status.get("message") or status.get("reason")
    status["message"] = f"{by}: {said}" if said else f"{by} without explanation"
    code = status.get("code")
    code = code if isinstance(code, int) and 400 <= code < 600 else 400
    reason = str(status.get("reason") or "")
    details = status.get("details")
    status["details"] = details if isinstance(details, dict) else {}
    error = from_status(status, code)
    if (error.code, error.reason) == (code, reason):
        return error
    # whatever the webhook says, also what no refusal of ours is
    own: type[APIError] = type("Denied", (APIError,), {"code": code, "reason": reason})
    return own(str(error), details=error.details, causes=error.causes, retry_after=error.retry_after)
