"""The headers by which the front proxy tells another server who asks (X-Remote-*), and which of a client's own headers
are never passed on. Pure.

A client's own X-Remote-* and Impersonate-* headers are dropped in every spelling that some server might take for them:
any case, and `_` for `-` (CVE-2025-64484). Credentials are never passed on.
https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/#original-request-username-and-group
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from wherry.apiserver.authn.user import User
from wherry.machinery.errors import BadRequest

_TOKEN = "!#$&'*+-.^_`|~"
_OWN = ("x-remote-", "impersonate-")
_DROPPED = frozenset({
    "authorization", "connection", "content-length", "cookie", "expect", "host", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-encoding",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded",
})  # fmt: skip


def passed(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The headers of a request that another server may see."""
    for name, value in headers:
        plain = name.lower().replace("_", "-")
        if plain not in _DROPPED and not plain.startswith(_OWN):
            yield name, value


def identity(user: User) -> Iterator[tuple[str, str]]:
    """Who asks, as X-Remote-* headers. Raises BadRequest for a name that no header can carry."""
    yield "X-Remote-User", _value(user.name)
    if user.uid:
        yield "X-Remote-Uid", _value(user.uid)
    for group in user.groups:
        yield "X-Remote-Group", _value(group)
    for key, values in user.extra.items():
        name = "X-Remote-Extra-" + quote(key.encode("utf-8", "surrogateescape"), safe=_TOKEN)
        for value in values:
            yield name, _value(value)


def _value(text: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise BadRequest("the user's name, groups or extra cannot be passed on in a header")
    return text
