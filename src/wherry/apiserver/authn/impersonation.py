"""Impersonation: somebody asks to be somebody else, by Impersonate-* headers, and must be allowed to.

The narrow ways come first: to be a node, a service account or a user for one kind of action only (two rights: who, and
`impersonate-on:<mode>:<verb>` for the action itself); then the old way, `impersonate`, for everything.
https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from urllib.parse import unquote

from wherry.apiserver.authn.user import ANONYMOUS, AUTHENTICATED, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED, User
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.http import Request
from wherry.machinery.errors import BadRequest, Forbidden

Refused = Callable[[Attributes], Awaitable[Forbidden | None]]
"""Asks for a right; the refusal when it is not there."""
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_NODE = "system:node:"
_GROUP = "authentication.k8s.io"
_ON_NODE = "authentication.kubernetes.io/node-name"
_NODE_KEYS = "authentication.kubernetes.io/associated-node-keys"
OLD = "impersonate"


def wanted(request: Request) -> User | None:
    """Whom the headers ask to be, as they say it; None without them. Raises BadRequest."""
    headers = request.headers
    if not any(name.lower().startswith(_PREFIX) for name in headers):
        return None
    name = headers.get("Impersonate-User", "")
    groups = tuple(headers.getall("Impersonate-Group", []))
    uid = headers.get("Impersonate-Uid", "")
    extra: dict[str, tuple[str, ...]] = {}
    for header in dict.fromkeys(h.lower() for h in headers):
        if header.startswith(_EXTRA):
            key = unquote(header.removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), *headers.getall(header))
    if name:
        return User(name, groups, uid, extra)
    if uid or groups or extra:
        raise BadRequest(f"requested [{{UID  {uid}}}] without impersonating a user name")
    return None


async def become(user: User, other: User, action: Attributes, refused: Refused) -> User:
    """The user that a request goes on as. `action` is what `user` wants to do as `other`. Raises Forbidden."""
    first: Forbidden | None = None
    for mode in modes(user, other):
        refusal = await _check(user, other, action, mode, refused)
        if refusal is None:
            return _acting(other, constrained=mode != OLD)
        first = first or refusal
    assert first is not None
    raise first


def modes(user: User, other: User) -> Iterator[str]:
    """The ways that may apply, in the order in which they are tried."""
    named_only = not (other.uid or other.groups or other.extra)
    node = _node(other)
    if node:
        if named_only and user.service_account is not None and user.extra.get(_ON_NODE) == (node,):
            yield "associated-node"
        if named_only:
            yield "arbitrary-node"
    elif other.service_account is not None:
        if named_only:
            yield "serviceaccount"
    else:
        yield "user-info"
    yield OLD


def _node(user: User) -> str:
    return user.name.removeprefix(_NODE) if user.name.startswith(_NODE) else ""


async def _check(user: User, other: User, action: Attributes, mode: str, refused: Refused) -> Forbidden | None:
    asked = list(rights(user, other, mode))
    if mode != OLD:
        acting = _hidden(user) if mode == "associated-node" else user
        asked.insert(0, replace(action, user=acting, verb=f"impersonate-on:{mode}:{action.verb}"))
    for right in asked:
        refusal = await refused(right)
        if refusal is not None:
            return refusal
    return None


def _hidden(user: User) -> User:
    """An account on the node: which node must not matter for the rule."""
    return replace(user, extra={_NODE_KEYS: tuple(sorted(user.extra))})


def rights(user: User, other: User, mode: str) -> Iterator[Attributes]:
    """Everything that must be allowed about the person."""
    narrow = mode != OLD
    verb = f"impersonate:{mode}" if narrow else OLD
    group = _GROUP if narrow else ""
    node, account = _node(other), other.service_account
    if narrow and node:
        who = _hidden(user) if mode == "associated-node" else user
        name = "*" if mode == "associated-node" else node
        yield Attributes(who, verb, group, "nodes", name=name)
    elif account is not None:
        yield Attributes(user, verb, group, "serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Attributes(user, verb, group, "users", name=other.name)
    if other.uid:
        yield Attributes(user, verb, _GROUP, "uids", name=other.uid)
    for one in other.groups:
        yield Attributes(user, verb, group, "groups", name=one)
    for key, values in other.extra.items():
        for value in values:
            yield Attributes(user, verb, _GROUP, "userextras", key, name=value)


def _acting(other: User, *, constrained: bool) -> User:
    """The person with the groups that go without saying."""
    groups = other.groups
    account = other.service_account
    if constrained and _node(other):
        groups = (NODES,)
    elif account is not None and not groups:
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}")
    if other.name == ANONYMOUS.name:
        groups = groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    elif UNAUTHENTICATED not in groups and AUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return replace(other, groups=groups)
