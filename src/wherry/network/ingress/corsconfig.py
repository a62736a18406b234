"""Requests of other origins in HAProxy's words: preflight requests are answered, other answers get their headers. Pure.

The rule decides alone: what the backend says about origins is taken away. An origin without a port means the port of
its scheme; `*` in it is any number of labels.
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wherry.network.ingress.sites import Sharing
from wherry.network.ingress.wording import text, word

_ANY = "*"
_USUAL = {"http": "80", "https": "443"}
_ALLOWED = "{ var(txn.origin) -m found }"
_PREFLIGHT = "{ method OPTIONS } { req.fhdr(origin) -m found } { req.fhdr(access-control-request-method) -m found }"
_ASKED_METHOD = "%[req.fhdr(access-control-request-method)]"
_ASKED_HEADERS = "%[req.fhdr(access-control-request-headers)]"
_ASKS_HEADERS = "{ req.fhdr(access-control-request-headers) -m found }"


def shared(number: int, sharing: Sharing, chosen: str) -> Iterator[str]:
    """The lines of rule `number`; `chosen` is the condition that it is the request's."""
    yield from _origins(f"r{number}o", sharing.origins)
    yield f"    http-request set-var(txn.origin) req.fhdr(origin) if {chosen} r{number}o"
    yield from _preflight(sharing, chosen)
    for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"):
        yield f"    http-response del-header {name} if {chosen}"
    yield f"    http-response add-header Vary Origin if {chosen}"
    for name, value in _always(sharing):
        yield f"    http-response set-header {name} {value} if {chosen} {_ALLOWED}"


def _origins(name: str, origins: Iterable[str]) -> Iterator[str]:
    """An acl that one of several lines makes true."""
    for origin in origins:
        if origin == _ANY:
            yield f"    acl {name} req.fhdr(origin) -m found"
        else:
            yield f"    acl {name} req.fhdr(origin),lower -m reg -- {word(expression(origin))}"


def expression(origin: str) -> str:
    """What the `Origin` of a request must match whole, in lower case."""
    scheme, _, rest = origin.lower().partition("://")
    host, _, port = rest.partition(":")
    usual = _USUAL[scheme]
    tail = f"(:{usual})?" if port in ("", usual) else f":{port}"
    return f"^{scheme}://{'[^/:]+'.join(map(re.escape, host.split(_ANY)))}{tail}$"


def _preflight(sharing: Sharing, chosen: str) -> Iterator[str]:
    """Without consent there is no header that says so, and the browser does not go on."""
    said = [*_always(sharing), ("Vary", "Origin")]
    if sharing.methods:
        any_ = sharing.methods == (_ANY,)
        said.append(("Access-Control-Allow-Methods", _ASKED_METHOD if any_ else _list(sharing.methods)))
    if sharing.headers and sharing.headers != (_ANY,):
        said.append(("Access-Control-Allow-Headers", _list(sharing.headers)))
    said.append(("Access-Control-Max-Age", str(sharing.seconds)))
    answer = "    http-request return status 204"
    known = f"if {chosen} {_PREFLIGHT} {_ALLOWED}"
    if sharing.headers == (_ANY,):
        more = [*said, ("Access-Control-Allow-Headers", _ASKED_HEADERS)]
        yield f"{answer}{_written(more)} {known} {_ASKS_HEADERS}"
    yield f"{answer}{_written(said)} {known}"
    yield f"{answer} hdr Vary Origin if {chosen} {_PREFLIGHT}"


def _always(sharing: Sharing) -> Iterator[tuple[str, str]]:
    """What both answers to a preflight request and others say."""
    yield "Access-Control-Allow-Origin", "%[var(txn.origin)]"
    if sharing.credentials:
        yield "Access-Control-Allow-Credentials", "true"
    exposed = [one for one in sharing.exposed if one != _ANY or not sharing.credentials]
    if exposed:
        yield "Access-Control-Expose-Headers", _list(exposed)


def _written(headers: Iterable[tuple[str, str]]) -> str:
    return "".join(f" hdr {name} {value}" for name, value in headers)


def _list(names: Iterable[str]) -> str:
    return text(", ".join(names))
