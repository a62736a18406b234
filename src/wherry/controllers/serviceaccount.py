"""ServiceAccount controller: every living namespace has a ServiceAccount `default`.

Wakes on: Namespace; ServiceAccount (through its namespace).
Writes:   ServiceAccount (create).
Upstream: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import ServiceAccount
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.actions import Action, Create
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

NAME = "default"


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Namespace."""
    namespace = view.get(NAMESPACE, key)
    if namespace is None or namespace.metadata.deletion_timestamp is not None:
        return
    if view.get(SERVICEACCOUNT, Key(key.name, NAME)) is None:
        yield Create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name=NAME, namespace=key.name)))


def _namespace(view: View, account: ServiceAccount) -> Iterator[Key]:
    if account.metadata.name == NAME:
        yield Key("", account.metadata.namespace)


CONTROLLER = Controller("serviceaccount", NAMESPACE, plan, watches=(Watch(SERVICEACCOUNT, _namespace),))
