"""User: who asks, as authentication found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
SERVICE_ACCOUNTS = "system:serviceaccounts"
NODES = "system:nodes"

CREDENTIAL = "authentication.kubernetes.io/credential-id"
"""The key of a user's `extra` that names the certificate or token it came in with."""


@dataclass(frozen=True, slots=True)
class User:
    """A name, its groups and what else is known. Compared by value, so that decisions about it can be cached."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def node(self) -> str:
        """The node this user is the agent of, or ""."""
        if self.name.startswith("system:node:") and NODES in self.groups:
            return self.name.removeprefix("system:node:")
        return ""

    @property
    def service_account(self) -> tuple[str, str] | None:
        """(namespace, name) of the service account this user is, if it is one."""
        parts = self.name.split(":")
        if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
            return parts[2], parts[3]
        return None


class Known(NamedTuple):
    """Who a bearer token stands for, and for which of the audiences asked for."""

    user: User
    audiences: tuple[str, ...]


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def known(name: str, *groups: str) -> User:
    """A user that has authenticated, by its name and groups."""
    return User(name, (*groups, AUTHENTICATED))


def service_account_user(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]]) -> User:
    """The user that a service account's token stands for."""
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)
