"""What of a rule the entry can do; what it cannot is refused, with its cause, rather than half done. Pure.

Regular expressions must match the whole value. Those that could take HAProxy long are refused: what repeats must not
itself repeat or choose; and those that RE2 and PCRE could read differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.api.gateway.kinds import (
    BackendRef,
    CORSFilter,
    Filter,
    HeaderFilter,
    Named,
    PathModifier,
    Redirect,
    Rewrite,
    RouteMatch,
    RouteRule,
)
from wherry.api.gateway.world import Verdict
from wherry.machinery.durations import nanoseconds
from wherry.machinery.patterns import BadPattern, pattern

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_SERVED = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS", "RequestMirror")
_WITH_BACKEND = ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}", re.ASCII)
_TEXT = re.compile(r"[\x20-\x7e]{1,4096}", re.ASCII)
_PATH = re.compile(r"/[\x21-\x7e]{0,1023}", re.ASCII)
_ORIGIN = re.compile(r"\*|https?://((\*\.)?[A-Za-z0-9.-]{1,253}|\*)(:[0-9]{1,5})?", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_EXPRESSION = re.compile(r"[\x20-\x7e]{1,1024}", re.ASCII)
_ESCAPES = frozenset("wWdDsSbB") | frozenset("\\./+*?()[]{}|^$-_:;,=&%#@!~'\"<> ")
_MOST_PARTS = 1_000_000_000
_MOST_SECONDS = 86_400


def unsupported(rule: RouteRule) -> Verdict | None:
    """Why a rule cannot be served; None where it can."""
    return next(_problems(rule), None)


def _problems(rule: RouteRule) -> Iterator[Verdict]:
    for match in rule.matches:
        yield from map(_value, _match(match))
    yield from _filters(rule.filters, _SERVED)
    for ref in rule.backend_refs:
        yield from _backend(ref)
    names = [one.type for one in rule.filters]
    if "RequestRedirect" in names and "URLRewrite" in names:
        yield Verdict("False", "IncompatibleFilters", "a rule cannot both redirect and rewrite")
    if rule.retry is not None:
        yield _value("retry is not served")
    if rule.session_persistence is not None:
        yield _value("sessionPersistence is not served")
    for text in (rule.timeouts.request, rule.timeouts.backend_request):
        if milliseconds(text) is None:
            yield _value(f"the timeout {text!r} is no duration of up to a day")


def _value(why: str) -> Verdict:
    return Verdict("False", "UnsupportedValue", why)


def _match(match: RouteMatch) -> Iterator[str]:
    path = match.path
    if path.type == "RegularExpression":
        if why := expression_problem(path.value):
            yield f"the path {path.value!r}: {why}"
    elif path.type not in ("Exact", "PathPrefix") or _PATH.fullmatch(path.value) is None:
        yield f"the path {path.value!r} holds what cannot be in a path"
    if match.method and match.method not in METHODS:
        yield f"the method {match.method!r} is unknown"
    for what, named in (
        *(("header", one) for one in match.headers),
        *(("parameter", one) for one in match.query_params),
    ):
        yield from _named(what, named)


def _named(what: str, named: Named) -> Iterator[str]:
    if _NAME.fullmatch(named.name) is None:
        yield f"the {what} {named.name!r} has a name that is not served"
    elif named.type == "RegularExpression":
        if why := expression_problem(named.value):
            yield f"the {what} {named.name} {named.value!r}: {why}"
    elif named.type != "Exact" or _TEXT.fullmatch(named.value) is None:
        yield f"the {what} {named.name} has a value that is not served"


def _backend(ref: BackendRef) -> Iterator[Verdict]:
    yield from _filters(ref.filters, _WITH_BACKEND)
    if any(one.type == "URLRewrite" and one.url_rewrite and one.url_rewrite.path for one in ref.filters):
        yield _value("a filter of one backend cannot change the path")


def _filters(filters: tuple[Filter, ...], served: tuple[str, ...]) -> Iterator[Verdict]:
    for one in filters:
        if one.type not in served:
            yield _value(f"the filter {one.type} is not served")
            continue
        yield from map(_value, _filter(one))


def _filter(one: Filter) -> Iterator[str]:
    for headers in (one.request_header_modifier, one.response_header_modifier):
        if headers is not None:
            yield from _headers(headers)
    mirror = one.request_mirror
    if mirror is not None and mirror.fraction is not None and not 0 < mirror.fraction.denominator <= _MOST_PARTS:
        yield f"a fraction of {mirror.fraction.denominator} parts is not served"
    if one.cors is not None:
        yield from _cors(one.cors)
    yield from _moves(one.request_redirect, one.url_rewrite)


def _moves(redirect: Redirect | None, rewrite: Rewrite | None) -> Iterator[str]:
    for change in (redirect, rewrite):
        if change is None:
            continue
        if change.hostname and _HOST.fullmatch(change.hostname) is None:
            yield f"the host name {change.hostname!r} is not a DNS name"
        yield from _path(change.path)
    if redirect is not None:
        if redirect.scheme not in ("", "http", "https"):
            yield f"the scheme {redirect.scheme!r} is not served"
        if redirect.status_code not in (301, 302, 303, 307, 308):
            yield f"the status {redirect.status_code} is not served"


def _cors(cors: CORSFilter) -> Iterator[str]:
    for origin in cors.allow_origins:
        if _ORIGIN.fullmatch(origin) is None:
            yield f"the origin {origin!r} is not served"
    for method in cors.allow_methods:
        if method not in METHODS and method != "*":
            yield f"the method {method!r} is unknown"
    for name in (*cors.allow_headers, *cors.expose_headers):
        if name != "*" and _NAME.fullmatch(name) is None:
            yield f"the header {name!r} has a name that is not served"
    if cors.max_age < 1:
        yield "maxAge must be at least a second"


def _headers(headers: HeaderFilter) -> Iterator[str]:
    for header in (*headers.set, *headers.add):
        if _NAME.fullmatch(header.name) is None or _TEXT.fullmatch(header.value) is None:
            yield f"the header {header.name!r} has a name or value that is not served"
    for name in headers.remove:
        if _NAME.fullmatch(name) is None:
            yield f"the header {name!r} has a name that is not served"


def _path(change: PathModifier | None) -> Iterator[str]:
    if change is None:
        return
    text = change.replace_full_path if change.type == "ReplaceFullPath" else change.replace_prefix_match
    if text is None or (text and _PATH.fullmatch(text) is None):
        yield f"the new path {text!r} holds what cannot be in a path"


def milliseconds(text: str) -> int | None:
    """What a timeout says: 0 where it says nothing, a day where it says that there is none; None for nonsense."""
    if not text:
        return 0
    try:
        found = nanoseconds(text)
    except ValueError:
        return None
    if not 0 <= found <= _MOST_SECONDS * 1_000_000_000:
        return None
    return max(found // 1_000_000, 1) if found else _MOST_SECONDS * 1000


# --- Regular expressions ---


def expression_problem(text: str) -> str:
    """Why a regular expression is not served; "" where it is."""
    if _EXPRESSION.fullmatch(text) is None:
        return "not printable ASCII of up to 1024 characters"
    try:
        pattern(text)
    except BadPattern as error:
        return f"not a regular expression: {error}"
    return _shape_problem(text)


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\(\?|.", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _shape_problem(text: str) -> str:
    """Of an expression that RE2 reads."""
    depth = [False]  # of each open group: whether it repeats or chooses
    for token in _TOKEN.finditer(text):
        part = token[0]
        if any(char not in _ESCAPES for char in _ESCAPED.findall(part)):
            return f"the escape {part} is not served"
        if part.startswith("[") and "[" in part[1:]:
            return "such a class of characters is not served"
        if part == "(?":
            return "groups with (? are not served, but for (?:"
        if part in ("(", "(?:"):
            depth.append(False)
        elif part == ")":
            if depth.pop() and text[token.end() : token.end() + 1] in ("*", "+", "{"):
                return "what repeats must not itself repeat or choose"
            depth[-1] = True
        elif part in "*+{|?":
            depth[-1] = True
    return ""
