"""Copies of requests for other backends (RequestMirror), in HAProxy's words and in Lua. Pure.

A Lua action makes the copy and leaves: the request does not wait for it, and nobody sees its answer. The copy goes to a
frontend of its own, at an abstract socket of the node's network (HAProxy has given up what opens files by then), which
sends it to the backend that is named in a header; so
copies reach endpoints as all requests do. Not copied are: bodies that do not fit in HAProxy's buffer or whose length is
not known before, requests that change the protocol, and what comes while `MOST` copies are under way in a thread.
https://www.arpalert.org/src/haproxy-lua-api/2.6/index.html#httpclient-class
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wherry.network.ingress.backends import Backend
from wherry.network.ingress.sites import Mirror, Site

FILE = "mirror.lua"
MOST = 200
"""Copies under way at a time."""
_LARGEST = 15_000
"""Bytes of a body that is copied: HAProxy's buffer has 16,384, with the head."""
_BACKEND, _METHOD = "x-wherry-mirror", "x-wherry-method"
_SMALL = f"!{{ req.hdr_val(content-length) gt {_LARGEST} }} !{{ req.fhdr(transfer-encoding) -m found }}"
_STAYS = "!{ req.fhdr(upgrade) -m found } !{ method CONNECT }"


def copied(mirrors: Iterable[Mirror], chosen: str, named: Callable[[Backend], str]) -> Iterator[str]:
    """The lines of a rule; `chosen` is the condition that it is the request's."""
    listed = list(mirrors)
    if listed:
        has_body = "{ req.hdr_val(content-length) gt 0 }"
        yield f"    http-request wait-for-body time 1s at-least {_LARGEST} if {chosen} {_SMALL} {_STAYS} {has_body}"
    for one in listed:
        share = "" if one.part >= one.whole else f" {{ rand({one.whole}) lt {one.part} }}"
        when = f"if {chosen} {_SMALL} {_STAYS}{share}"
        yield f"    http-request set-var(txn.mirror) str({named(one.backend)}) {when}"
        yield f"    http-request lua.wherry_mirror if {chosen} {{ var(txn.mirror) -m found }}"
        yield f"    http-request unset-var(txn.mirror) if {chosen}"


def any_of(sites: Iterable[Site]) -> bool:
    """Whether some rule asks for copies."""
    return any(rule.mirrors for site in sites for rule in site.rules)


def loaded(folder: Path) -> str:
    """The line of the global section."""
    return f"    lua-load-per-thread {folder / FILE}"


def _socket(folder: Path) -> str:
    """Another for each entry, should two share a network."""
    return f"abns@wherry-copies-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


def frontend(folder: Path) -> Iterator[str]:
    """Where copies arrive."""
    yield "frontend copies"
    yield f"    bind {_socket(folder)}"
    yield f"    http-request set-var(txn.backend) req.hdr({_BACKEND})"
    yield f"    http-request set-method %[req.hdr({_METHOD})]"
    yield f"    http-request del-header {_BACKEND}"
    yield f"    http-request del-header {_METHOD}"
    yield "    use_backend %[var(txn.backend)]"


def script(folder: Path) -> str:
    """The Lua program. A client's headers of our names are overwritten."""
    return f"""-- Written by wherry; changes are lost.
local under_way = 0

core.register_action("wherry_mirror", {{"http-req"}}, function(txn)
  if under_way >= {MOST} then return end
  local body = txn.f:req_body()
  if body ~= nil and #body == 0 then body = nil end
  if txn.f:req_body_size() ~= (body and #body or 0) then return end
  local headers = {{}}
  for name, values in pairs(txn.http:req_get_headers()) do
    local listed = {{}}
    for index = 0, 1000 do
      if values[index] == nil then break end
      listed[#listed + 1] = values[index]
    end
    headers[name] = listed
  end
  headers["{_BACKEND}"] = {{txn:get_var("txn.mirror")}}
  headers["{_METHOD}"] = {{txn.f:method()}}
  headers["x-forwarded-for"] = {{txn.f:src()}}
  local asked = {{
    url = "http://copy" .. txn.f:pathq(), dst = "{_socket(folder)}", headers = headers, body = body
  }}
  under_way = under_way + 1
  core.register_task(function()
    local client = core.httpclient()
    pcall(body and client.post or client.get, client, asked)
    under_way = under_way - 1
  end)
end, 0)
"""
