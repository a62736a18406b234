"""url(), isURL() and the parts of a URL.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_plus

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.types import Opaque, Type

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_BAD_HOST = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff-]")
_PATH_SAFE = "/$&+,:;=@-_.~!'()*[]"
URL_TYPE = Opaque("kubernetes.URL")


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URI or absolute path, taken apart."""

    text: str
    scheme: str = ""
    host: str = ""
    path: str = ""
    query: str = ""

    @property
    def cel_type(self) -> Type:
        """kubernetes.URL"""
        return URL_TYPE

    @property
    def hostname(self) -> str:
        """The host without its port and brackets."""
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.partition(":")[0]

    @property
    def port(self) -> str:
        """The port, or nothing."""
        _, colon, port = self.host.rpartition("]")[2].rpartition(":")
        return port if colon else ""

    @property
    def escaped_path(self) -> str:
        """The path with everything escaped that must be."""
        kept = quote(self.path, safe=_PATH_SAFE + "%")
        return kept if kept == self.path else quote(unquote(self.path), safe=_PATH_SAFE)

    def values(self) -> dict[str, list[str]]:
        """The query's values by key. A pair with a semicolon is left out."""
        found: dict[str, list[str]] = {}
        for pair in self.query.split("&"):
            key, _, value = pair.partition("=")
            if pair and ";" not in pair and not _BAD_ESCAPE.search(pair):
                found.setdefault(unquote_plus(key), []).append(unquote_plus(value))
        return found


def parse_url(text: str) -> Url:
    """Raises ValueError with Go's wording."""
    found = _SCHEME.fullmatch(text)
    why = _refused(text, found is not None)
    if why:
        raise ValueError(f"parse {_quoted(text)}: {why}")
    scheme, rest = (found[1].lower(), found[2]) if found else ("", text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        return Url(text, scheme, query=query)  # opaque, such as mailto:x
    host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        host, slash, path = rest[2:].partition("/")
        rest = slash + path
        host = _host(text, host)
    bad = _BAD_ESCAPE.search(rest)
    if bad:
        raise ValueError(f"parse {_quoted(text)}: invalid URL escape {_quoted(bad.group())}")
    return Url(text, scheme, host, rest, query)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused(text: str, has_scheme: bool) -> str:  # noqa: FBT001
    if not text:
        return "empty url"
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "net/url: invalid control character in URL"
    if text.startswith(":"):
        return "missing protocol scheme"
    if not has_scheme and not text.startswith("/"):
        before = text.partition("/")[0]
        return "first path segment in URL cannot contain colon" if ":" in before else "invalid URI for request"
    return ""


def _host(text: str, authority: str) -> str:
    host = authority.rpartition("@")[2]
    bad = _BAD_HOST.search(host)
    if bad:
        raise ValueError(f"parse {_quoted(text)}: invalid character {_quoted(bad.group())} in host name")
    port = host.rpartition("]")[2] if host.startswith("[") else host[host.find(":") :] if ":" in host else ""
    if host.startswith("[") and "]" not in host:
        raise ValueError(f"parse {_quoted(text)}: missing ']' in host")
    if port and (not port.startswith(":") or (port[1:] and not port[1:].isascii()) or not re.fullmatch(r":\d*", port)):
        raise ValueError(f"parse {_quoted(text)}: invalid port {_quoted(port)} after host")
    return unquote(host)


def _url(text: str) -> Url:
    try:
        return parse_url(text)
    except ValueError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from None


def _is_url(text: str) -> bool:
    try:
        parse_url(text)
    except ValueError:
        return False
    return True


URLS: tuple[Overload, ...] = (
    overload("string_to_url", "url(string) -> kubernetes.URL", _url, costs.first),
    overload("url_get_scheme", "[kubernetes.URL] getScheme() -> string", lambda url: url.scheme),
    overload("url_get_host", "[kubernetes.URL] getHost() -> string", lambda url: url.host),
    overload("url_get_hostname", "[kubernetes.URL] getHostname() -> string", lambda url: url.hostname),
    overload("url_get_port", "[kubernetes.URL] getPort() -> string", lambda url: url.port),
    overload("url_get_escaped_path", "[kubernetes.URL] getEscapedPath() -> string", lambda url: url.escaped_path),
    overload("url_get_query", "[kubernetes.URL] getQuery() -> map(string, list(string))", Url.values),
    overload("is_url_string", "isURL(string) -> bool", _is_url),
)
