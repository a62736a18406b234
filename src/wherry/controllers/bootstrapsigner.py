"""Bootstrap signer: what kube-public/cluster-info says is signed with every bootstrap token that may sign.

A machine that holds a token can so tell the cluster's own cluster-info from anybody else's, before it trusts a CA.

Wakes on: ConfigMap kube-public/cluster-info; Secret (bootstrap tokens in kube-system).
Writes:   that ConfigMap's `jws-kubeconfig-<token id>`: detached JWS (HS256) of `kubeconfig`, one per valid token.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.bootstrap_token import (
    CONTENT,
    INFO,
    INFO_NAMESPACE,
    NAMESPACE,
    PREFIX,
    SIGNATURE,
    TYPE,
    end_of,
    signature,
)
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.types.core import ConfigMap, Secret
from wherry.machinery.meta import Key
from wherry.reconcile.actions import Action, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

CLUSTER_INFO = Key(INFO_NAMESPACE, INFO)


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for cluster-info."""
    info = view.get(CONFIGMAP, key)
    if info is None or CONTENT not in info.data:
        return
    signing = [s for s in view.list(SECRET, NAMESPACE) if may_sign(s, view.now)]
    wanted = {name: value for name, value in info.data.items() if not name.startswith(SIGNATURE)}
    for secret in signing:
        name, own = secret.data["token-id"].decode(), secret.data["token-secret"]
        wanted[SIGNATURE + name] = signature(info.data[CONTENT], name, own)
    if info.data != wanted:
        yield Replace(CONFIGMAP, replace(info, data=wanted))
    ends = [end for secret in signing if (end := end_of(secret.data)) < float("inf")]
    if ends:
        yield Requeue(min(ends) - view.now, "a token that signs expires")


def may_sign(secret: Secret, now: float) -> bool:
    """Whether it is a token that is good and meant for signing."""
    if secret.type != TYPE or secret.metadata.deletion_timestamp is not None:
        return False
    data = secret.data
    named = secret.metadata.name == PREFIX + data.get("token-id", b"").decode("ascii", "replace")
    signs = data.get("usage-bootstrap-signing") == b"true" and bool(data.get("token-secret"))
    return named and signs and end_of(data) > now


def _of_secret(view: View, secret: Secret) -> Iterator[Key]:
    if secret.type == TYPE and secret.metadata.namespace == NAMESPACE:
        yield CLUSTER_INFO


def _of_info(view: View, info: ConfigMap) -> Iterator[Key]:
    if Key(info.metadata.namespace, info.metadata.name) == CLUSTER_INFO:
        yield CLUSTER_INFO


CONTROLLER = Controller("bootstrapsigner", None, plan, watches=(Watch(SECRET, _of_secret), Watch(CONFIGMAP, _of_info)))
