"""The one error vocabulary: every `APIError` is a Kubernetes Status, on both sides of the wire.

Raised below, rendered once by the API server, rebuilt by `from_status` in clients. Reasons and codes follow
metav1.StatusReason: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class Cause(NamedTuple):
    """One entry of `status.details.causes`: `reason` as in metav1.CauseType, `field` a path such as `spec.replicas`."""

    reason: str
    message: str
    field: str = ""


class APIError(Exception):
    """A refusal with its HTTP code and machine-readable reason."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: object = "",
        *,
        details: Mapping[str, Any] | None = None,
        causes: Sequence[Cause] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(str(message))
        self.details = dict(details or {})
        self.detailed = details is not None
        self.causes = tuple(causes)
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The metav1.Status body of this error, as JSON-ready builtins."""
        details = {name: value for name, value in self.details.items() if value != ""}
        if self.causes:
            details["causes"] = [
                {"reason": c.reason, "message": c.message, **({"field": c.field} if c.field else {})}
                for c in self.causes
            ]
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        if details or self.detailed:
            body["details"] = details
        return body


class BadRequest(APIError):
    """400: the request itself is malformed."""

    code = 400
    reason = "BadRequest"


class Unauthorized(APIError):
    """401: nobody we know."""

    code = 401
    reason = "Unauthorized"


class Forbidden(APIError):
    """403: known, but not allowed."""

    code = 403
    reason = "Forbidden"


class NotFound(APIError):
    """404: no such object or resource."""

    code = 404
    reason = "NotFound"


class NoSuchPath(NotFound):
    """404: a path at which there is no API; the answer is no Status but a line of text."""

    def __init__(self) -> None:
        super().__init__("404 page not found")


def nothing_there() -> NotFound:
    """404: the API is there, but nothing of that name in it."""
    return NotFound("the server could not find the requested resource", details={})


def no_such_method() -> MethodNotAllowed:
    """405: what is there has no such verb."""
    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})


class MethodNotAllowed(APIError):
    """405: the resource exists, the verb does not."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(APIError):
    """406: none of the media types in Accept can be served."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(APIError):
    """409: create of a name that is taken."""

    code = 409
    reason = "AlreadyExists"


class Conflict(APIError):
    """409: the object has changed, a precondition failed, or a field belongs to another manager."""

    code = 409
    reason = "Conflict"


class Gone(APIError):
    """410: a watch or list position older than the kept history (reason Expired)."""

    code = 410
    reason = "Expired"


class TooLarge(APIError):
    """413: the request body is over the limit."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(APIError):
    """415: the body's content type cannot be read."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(APIError):
    """422: understood, but field values are refused; `causes` names each field."""

    code = 422
    reason = "Invalid"


class TooManyRequests(APIError):
    """429: try again after `retry_after` seconds."""

    code = 429
    reason = "TooManyRequests"


class InternalError(APIError):
    """500: our fault."""


class ServiceUnavailable(APIError):
    """503: not able to serve this right now."""

    code = 503
    reason = "ServiceUnavailable"


class Timeout(APIError):
    """504: the operation did not finish in time, or waits for a revision that is too far ahead."""

    code = 504
    reason = "Timeout"


_BY_REASON: dict[str, type[APIError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists, Conflict, Gone,
        TooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServiceUnavailable, Timeout,
    )
}  # fmt: skip
_BY_CODE: dict[int, type[APIError]] = {cls.code: cls for cls in reversed(_BY_REASON.values())}


def from_status(body: Mapping[str, Any], code: int = 0) -> APIError:
    """Rebuild the error that a server answered with; `body` is a decoded metav1.Status, `code` the HTTP code."""
    found = _BY_REASON.get(str(body.get("reason", ""))) or _BY_CODE.get(int(body.get("code") or code), APIError)
    details = dict(body.get("details") or {})
    causes = tuple(
        Cause(str(c.get("reason", "")), str(c.get("message", "")), str(c.get("field", "")))
        for c in details.pop("causes", None) or ()
    )
    retry = details.pop("retryAfterSeconds", None)
    return found(body.get("message", ""), details=details, causes=causes, retry_after=retry)


_UNTOLD: Mapping[int, str] = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_TOLD_BY_ITSELF = frozenset({403, 406, 415})


def without_status(code: int, said: str, asked: str) -> APIError:
    """The error for an answer that is no Status, in the words of upstream's clients. `said`: its text, "" when it was
    not text; `asked`: `get pods.metrics.k8s.io web`, "" when no resource was meant."""
    message = said if said and code in _TOLD_BY_ITSELF else _UNTOLD.get(code, "")
    if not message and code >= 500:
        quoted = json.dumps(said or "unknown", ensure_ascii=False)
        message = f"an error on the server ({quoted}) has prevented the request from succeeding"
    elif not message:
        message = f"the server responded with the status code {code} but did not return more information"
    cause = Cause("UnexpectedServerResponse", said or "unknown")
    return _BY_CODE.get(code, APIError)(f"{message} ({asked})" if asked else message, causes=(cause,))
