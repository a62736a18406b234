"""Token cleaner: bootstrap tokens are deleted once they have expired.

Wakes on: Secret (of type bootstrap.kubernetes.io/token in kube-system).
Writes:   deletes such Secrets.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#token-cleaner
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.core.bootstrap_token import NAMESPACE, TYPE, end_of
from wherry.api.core.secret import SECRET
from wherry.machinery.meta import Key
from wherry.reconcile.actions import Action, Delete, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Secret; one whose end cannot be read has ended."""
    secret = view.get(SECRET, key) if key.namespace == NAMESPACE else None
    if secret is None or secret.type != TYPE or secret.metadata.deletion_timestamp is not None:
        return
    end = end_of(secret.data)
    if end <= view.now:
        yield Delete(SECRET, key, secret.metadata.uid)
    elif end < float("inf"):
        yield Requeue(end - view.now, "the token expires")


CONTROLLER = Controller("tokencleaner", SECRET, plan)
