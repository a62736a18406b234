"""Token cleaner: bootstrap tokens are deleted once they have expired.

Wakes on: Secret (of type bootstrap.kubernetes.io/token in kube-system).
Writes:   deletes such Secrets.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#token-cleaner
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.core.secret import SECRET
from wherry.machinery.meta import Key
from wherry.machinery.time import seconds
from wherry.reconcile.actions import Action, Delete, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.view import View

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Secret; one whose end cannot be read has ended."""
    secret = view.get(SECRET, key) if key.namespace == NAMESPACE else None
    if secret is None or secret.type != TYPE or secret.metadata.deletion_timestamp is not None:
        return
    text = secret.data.get("expiration", b"").decode("ascii", "replace")
    if not text:
        return
    try:
        end = seconds(text)
    except ValueError:
        end = view.now
    if end <= view.now:
        yield Delete(SECRET, key, secret.metadata.uid)
    else:
        yield Requeue(end - view.now, "the token expires")


CONTROLLER = Controller("tokencleaner", SECRET, plan)
