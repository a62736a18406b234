"""Links of proxied pages: made to lead through the proxy they came through. Pure.

Absolute paths, and URLs of the very host that was asked, get the proxy's path in front; everything else stays as it is.
https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit, urlunsplit

_ATTRIBUTES: dict[bytes, frozenset[bytes]] = {
    tag: frozenset(names.split())
    for tag, names in {
        b"a": b"href", b"applet": b"codebase", b"area": b"href", b"audio": b"src", b"base": b"href",
        b"blockquote": b"cite", b"body": b"background", b"button": b"formaction", b"command": b"icon", b"del": b"cite",
        b"embed": b"src", b"form": b"action", b"frame": b"longdesc src", b"head": b"profile", b"html": b"manifest",
        b"iframe": b"longdesc src", b"img": b"longdesc src usemap", b"input": b"src usemap formaction",
        b"ins": b"cite", b"link": b"href", b"object": b"classid codebase data usemap", b"q": b"cite",
        b"script": b"src", b"source": b"src", b"video": b"poster src",
    }.items()
}  # fmt: skip
_TAG = re.compile(rb"<!--.*?-->|<([a-zA-Z][a-zA-Z0-9]*)(\s[^>]*)?>", re.DOTALL)
_ATTRIBUTE = re.compile(rb"""([a-zA-Z-]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")
_ENDS = {b"script": re.compile(rb"</script", re.IGNORECASE), b"style": re.compile(rb"</style", re.IGNORECASE)}


def moved(url: str, prefix: str, host: str) -> str:
    """One URL of a page or a Location header that came from `host`, as seen through the proxy at path `prefix`."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return url
    if (name and name != host) or not parts.path.startswith("/") or parts.path.startswith(prefix):
        return url
    path = posixpath.normpath(prefix + parts.path)
    if parts.path.endswith("/"):
        path += "/"
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def rewritten(page: bytes, prefix: str, host: str) -> bytes:
    """A page with its links moved; comments, scripts and style sheets stay as they are."""
    out: list[bytes] = []
    at = 0
    while found := _TAG.search(page, at):
        out.append(page[at : found.start()])
        at = found.end()
        tag = (found[1] or b"").lower()
        wanted = _ATTRIBUTES.get(tag)
        if wanted is None:
            out.append(found[0])
        else:
            out.append(_ATTRIBUTE.sub(lambda one: _attribute(one, wanted, prefix, host), found[0]))  # noqa: B023 - used at once
        end = _ENDS[tag].search(page, at) if tag in _ENDS else None
        if end is not None:
            out.append(page[at : end.start()])
            at = end.start()
    out.append(page[at:])
    return b"".join(out)


def _attribute(found: re.Match[bytes], wanted: frozenset[bytes], prefix: str, host: str) -> bytes:
    if found[1].lower() not in wanted:
        return found[0]
    value = found[3]
    quote = value[:1] if value[:1] in (b'"', b"'") else b""
    text = value.strip(quote) if quote else value
    new = moved(text.decode("utf-8", "surrogateescape"), prefix, host).encode("utf-8", "surrogateescape")
    return found[1] + found[2] + quote + new + quote
