"""`wherry node remove`: a joined machine leaves the cluster: its pods move, its certificates end, its Node goes.

Idempotent: run again after an interruption, it goes on. Containers on that machine are ended by `wherry delete` there.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wherry.aio.clock import Clock
from wherry.api.certificates.signing import KUBELET_CLIENT, asked, parse
from wherry.apiserver.authn.removed_nodes import NAME, NAMESPACE
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, Rest
from wherry.app.steps import Failed, Steps
from wherry.app.up import pause
from wherry.host.keys import YEAR
from wherry.host.signer import BACKDATE
from wherry.machinery.time import seconds, time_at

POLL = 0.5
MERGE = "application/merge-patch+json"
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


def remove(config: Config, name: str, clock: Clock, steps: Steps, *, timeout: float, force: bool) -> None:
    """Remove node `name`. `timeout`: seconds its pods have to go; `force` goes on without them. Raises Failed."""
    if name in {node.name for node in config.machines()}:
        raise Failed(f"node {name} is this machine's own", "`wherry delete` removes it with the whole cluster")
    rest, path = Rest(config), f"/api/v1/nodes/{quote(name, safe='')}"
    try:
        with steps.step("let no pod come to it"):
            rest.send("PATCH", path, {"spec": {"unschedulable": True}}, MERGE)
    except ApiRefused as error:
        if error.status != 404:
            raise
        raise Failed(f"there is no node {name}", "see `wherry kubectl get nodes`") from error
    with steps.step("move its pods away") as step:
        moved = _drain(rest, name, clock, timeout=timeout, force=force)
        step.detail, step.changed = f"pods: {moved}", moved > 0
    with steps.step("take back its certificates"):
        _revoke(rest, name, clock.now())
        _forget_requests(rest, name)
    with steps.step("remove the node"):
        rest.text(path, "DELETE")


def to_move(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pods that must go before a node may: not those of DaemonSets, nor the node's own, nor ones that are over."""

    def stays(pod: Mapping[str, Any]) -> bool:
        meta = pod["metadata"]
        owners = {owner["kind"] for owner in meta.get("ownerReferences", ()) if owner.get("controller")}
        over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        return "DaemonSet" in owners or "kubernetes.io/config.mirror" in meta.get("annotations", {}) or over

    return [pod for pod in pods if not stays(pod)]


def _drain(rest: Rest, name: str, clock: Clock, *, timeout: float, force: bool) -> int:
    """Evict until none is left; how many there were. Budgets are respected. Raises Failed."""
    until = clock.monotonic() + (0 if force else timeout)
    seen: set[str] = set()
    while True:
        left = to_move(rest.items(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(name, safe='')}"))
        seen.update(pod["metadata"]["uid"] for pod in left)
        why = [_evict(rest, pod) for pod in left if not pod["metadata"].get("deletionTimestamp")]
        if not left or force:
            return len(seen)
        if clock.monotonic() > until:
            names = ", ".join(sorted(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in left))
            reason = next((f" ({text})" for text in why if text), "")
            raise Failed(f"pods are still on {name}: {names}{reason}", "wait and try again, or use --force")
        pause(POLL)


def _evict(rest: Rest, pod: Mapping[str, Any]) -> str:
    """Ask a pod to go; why it may not now, or ""."""
    meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
    try:
        rest.send("POST", path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta})
    except ApiRefused as error:
        if error.status not in (404, 409, 429):
            raise
        return "" if error.status == 404 else str(error)
    return ""


def _revoke(rest: Rest, name: str, now: float) -> None:
    """Let no certificate in that was made for the node until now."""
    try:
        present: Mapping[str, str] = rest.get(f"{_CONFIG_MAPS}/{NAME}").get("data") or {}
    except ApiRefused as error:
        if error.status != 404:
            raise
        head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": NAMESPACE}}
        rest.send("POST", _CONFIG_MAPS, head)
        present = {}
    rest.send("PATCH", f"{_CONFIG_MAPS}/{NAME}", {"data": revoked(present, name, now)}, MERGE)


def _forget_requests(rest: Rest, name: str) -> None:
    """Remove what it was given its certificates for, so that another machine may take the name at once."""
    for request in rest.items(_REQUESTS):
        spec = request["spec"]
        if spec["signerName"] == KUBELET_CLIENT and _asks_for(spec["request"], name):
            with contextlib.suppress(ApiRefused):
                rest.text(f"{_REQUESTS}/{quote(request['metadata']['name'], safe='')}", "DELETE")


def _asks_for(request: str, name: str) -> bool:
    try:
        return asked(parse(base64.b64decode(request))).common_name == f"system:node:{name}"
    except ValueError:
        return False


def revoked(present: Mapping[str, str], name: str, now: float) -> dict[str, str | None]:
    """What to write: certificates begin a little before they are made, and none lives longer than a year."""
    old = {node: None for node, text in present.items() if seconds(text) < now - YEAR.total_seconds() * 1.01}
    return {**old, name: str(time_at(now - BACKDATE.total_seconds()))}
