"""list: a page of a window at a revision, by the rules of resourceVersion, resourceVersionMatch, limit and continue.

https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from wherry.apiserver import unreadable
from wherry.apiserver.api import Api
from wherry.apiserver.select import Selection
from wherry.apiserver.verbs.options import ListOptions, check_list, revision_of
from wherry.machinery.errors import BadRequest, Cause, Gone, Timeout
from wherry.machinery.resource import Resource
from wherry.store.log import Compacted
from wherry.store.window import FutureRevision, Page, Window

VERSION = "meta.k8s.io/v1"
EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class ContinueExpired(Gone):
    """410: the page's revision is gone; carries a token to go on with, inconsistently."""

    def __init__(self, token: str) -> None:
        super().__init__(EXPIRED)
        self.token = token

    def status(self) -> dict[str, Any]:
        """The Status, with the token in its metadata."""
        return super().status() | {"metadata": {"continue": self.token}}


class Token(msgspec.Struct, rename={"version": "v", "revision": "rv"}):
    """What a continue token says: the list's revision (-1: whatever is now), and the last key within the window."""

    version: str
    revision: int
    start: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A page and what its ListMeta says."""

    page: Page[Any]
    token: str

    @property
    def meta(self) -> dict[str, Any]:
        """The list's metadata, JSON-ready."""
        out: dict[str, Any] = {"resourceVersion": str(self.page.revision)}
        if self.token:
            out["continue"] = self.token
            if self.page.remaining is not None:
                out["remainingItemCount"] = self.page.remaining
        return out


async def list_(
    api: Api, resource: Resource[Any], namespace: str, selection: Selection, options: ListOptions
) -> Listed:
    """A page. Raises BadRequest, Invalid, Gone, Timeout."""
    check_list(options)
    window = api.window(resource)
    if window.unreadable:
        unreadable.check(window, resource, namespace, selection.name)
    if options.token:
        return _continued(window, namespace, selection, options, api.windows.log.compacted)
    revision = revision_of(options.revision)
    if revision:
        await reached(window, revision)
    exact = bool(revision) and (options.match == "Exact" or (options.limit > 0 and not options.match))
    limit = 0 if options.revision == "0" else max(options.limit, 0)
    if not exact and not limit:
        return Listed(_whole(window, namespace, selection), "")
    try:
        if exact and revision is not None and revision < api.windows.log.compacted:
            raise Compacted(api.windows.log.compacted)
        page = window.list(namespace, selection.predicate, limit=limit, revision=revision if exact else None)
    except Compacted:
        raise Gone("The resourceVersion for the provided list is too old.") from None
    return Listed(page, _token(window, page))


def _whole(window: Window[Any], namespace: str, selection: Selection) -> Page[Any]:
    """Everything that matches, as of now; one lookup when the name is given."""
    if not selection.name:
        return window.list(namespace, selection.predicate)
    found = window.get(window.key(namespace, selection.name))
    if found is None and not namespace:
        return window.list(namespace, selection.predicate)
    items = [found] if found is not None and (selection.predicate is None or selection.predicate(found)) else []
    return Page(items, window.revision)


async def reached(window: Window[Any], revision: int) -> None:
    """Wait until a revision has happened. Raises Timeout (504) after three seconds."""
    try:
        await window.reached(revision)
    except FutureRevision as error:
        raise Timeout(
            f"Timeout: Too large resource version: {revision}, current: {error.current}",
            causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
            retry_after=1,
        ) from None


def _continued(
    window: Window[Any], namespace: str, selection: Selection, options: ListOptions, compacted: int
) -> Listed:  # fmt: skip
    """The next page. A revision before `compacted` is gone for everybody, though a quiet window could still show it:
    clients count on tokens that expire."""
    token = _read_token(options.token)
    if options.revision and options.revision != "0":
        raise BadRequest("specifying resource version is not allowed when using continue")
    start = window.prefix + token.start
    scope = f"{window.prefix}{namespace}/" if namespace else window.prefix
    if not start.startswith(scope) or ".." in token.start.split("/") or token.start.startswith("/"):
        raise _bad_token(token.start)
    try:
        if 0 <= token.revision < compacted:
            raise Compacted(compacted)
        page = window.list(
            namespace,
            selection.predicate,
            limit=max(options.limit, 0),
            start_after=start,
            revision=None if token.revision < 0 else token.revision,
        )
    except FutureRevision:
        raise _bad_token("its revision has not happened") from None
    except Compacted:
        raise ContinueExpired(_write_token(-1, token.start)) from None
    return Listed(page, _token(window, page))


def _token(window: Window[Any], page: Page[Any]) -> str:
    if not page.more:
        return ""
    return _write_token(page.revision, page.items[-1].key.removeprefix(window.prefix))


def _write_token(revision: int, start: str) -> str:
    raw = msgspec.json.encode(Token(VERSION, revision, start))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bad_token(why: object) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")


def _read_token(text: str) -> Token:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token = msgspec.json.decode(raw, type=Token)
    except (ValueError, msgspec.MsgspecError) as error:
        raise _bad_token(error) from None
    if token.version != VERSION:
        raise BadRequest(
            "invalid continue token: continue key is not valid: server does not recognize this encoded version "
            f"{token.version}"
        )
    if token.revision == 0:
        raise _bad_token(f"incorrect encoded start resourceVersion (version {VERSION})")
    if not token.start:
        raise _bad_token(f"encoded start key empty (version {VERSION})")
    return token
