"""Paths -> RequestInfo: what a request is about, before anything is looked up. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
Dot segments, empty segments and encoded slashes are refused, so that what is authorised is what is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import unquote

from wherry.apiserver.http import Query
from wherry.machinery.errors import BadRequest
from wherry.machinery.selectors import parse_fields

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_REMEMBERED = 256  # characters of the longest paths that are worth it


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Who asks is not in here. For non-resource requests only `path` and `verb` (the method, lower case) count."""

    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""  # what follows the subresource, with its leading slash: the path of a proxy request
    what: tuple[str, ...] = field(init=False, compare=False, default=())
    """(verb, group, version, resource, subresource, scope): what whoever counts and classifies requests asks for."""

    def __post_init__(self) -> None:
        scope = "resource" if self.name else "namespace" if self.namespace else "cluster" if self.is_resource else ""
        what = (self.verb, self.group, self.version, self.resource, self.subresource, scope)
        object.__setattr__(self, "what", what)


def parse(method: str, path: str, query: Query) -> RequestInfo:
    """Understand a request line. Raises BadRequest for paths nobody should send."""
    understand = _parse_again if len(path) <= _REMEMBERED else _parse
    return understand(method, path, watch=query.flag("watch"))


def _parse(method: str, path: str, *, watch: bool) -> RequestInfo:
    segments = path.split("/")[1:]
    start = 3 if segments[0] == "apis" else 2
    if segments[0] not in ("api", "apis") or len(segments) <= start or segments[start] == "":
        return RequestInfo(_plain(path), method.lower())
    group = _segment(segments[1]) if start == 3 else ""
    version = _segment(segments[start - 1])
    old_watch = segments[start] == "watch" and len(segments) > start + 1
    places = segments[start + old_watch :]
    namespace = ""
    if places[0] == "namespaces" and len(places) > 2 and places[2] and places[2] not in _NAMESPACE_SUBRESOURCES:
        namespace = _segment(places[1])
        places = places[2:]
    while len(places) > 1 and places[-1] == "" and len(places) <= 4:
        places.pop()
    resource, name, subresource = (*(_segment(p) for p in places[:3]), "", "")[:3]
    return RequestInfo(
        path=unquote(path),
        verb=_verb(method, name, old_watch=old_watch, watch=watch),
        is_resource=True,
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        namespace=name if resource == "namespaces" and not group else namespace,
        name=name,
        rest="/" + "/".join(places[3:]) if len(places) > 3 else "",
    )


_parse_again = lru_cache(maxsize=4096)(_parse)  # the same few paths come again and again


def with_selected_name(info: RequestInfo, query: Query) -> RequestInfo:
    """For authorisation: a collection narrowed to one name by a field selector is that one object."""
    if info.name or info.verb not in ("list", "watch", "deletecollection") or "fieldSelector" not in query:
        return info
    try:
        terms = parse_fields(query.first("fieldSelector"))  # as the list reads it: escapes must not tell them apart
    except ValueError:
        return info
    name = next((value for path, operator, value in terms if path == "metadata.name" and operator == "="), "")
    return replace(info, name=name) if name else info


def _verb(method: str, name: str, *, old_watch: bool, watch: bool) -> str:
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and (old_watch or (not name and watch)):
        return "watch"
    if verb == "get" and not name:
        return "list"
    if verb == "delete" and not name:
        return "deletecollection"
    return verb


def _segment(raw: str) -> str:
    text = raw
    if "%" in raw:
        try:
            text = unquote(raw, errors="strict")
        except UnicodeDecodeError:
            raise BadRequest("the request path is not valid UTF-8") from None
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise BadRequest(f"the request path has an invalid segment {text!r}")
    return text


def _plain(path: str) -> str:
    if "%" in path or "/." in path or "//" in path:
        return "/" + "/".join(_segment(s) for s in path.split("/") if s)
    return path.rstrip("/") or "/"
