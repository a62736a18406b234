"""Questions to the control plane, each answered by itself: tokens, dry runs, reviews, what lies in the store's files.

Nothing is kept by the API of what is sent here: reviews and token requests never are, all else is a dry run.
"""

from __future__ import annotations

import base64
import binascii
import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wherry.aio.clock import Clock
from wherry.app import auditing, version
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, Rest, Target

NOBODY = "wherry-bench-nobody"
ASKED = 3607
"""Seconds for which agents ask for pods' tokens."""
SOUGHT = 5
"""Secrets that are looked for in the store's files."""
LONG = 16
"""Bytes of a value that is long enough to be found by itself."""
_RESTRICTED: Mapping[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{
        "name": "one", "image": "registry.example/none:1", "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }],
}  # fmt: skip


def status(rest: Rest, path: str, body: Mapping[str, Any] | None = None) -> int:
    """The HTTP status of a request; a body is posted. Raises ApiUnreachable."""
    try:
        if body is None:
            rest.text(path)
            return 200
        rest.send("POST", path, body)
    except ApiRefused as refused:
        return refused.status
    return 201


def token(rest: Rest, namespace: str) -> str:
    """A token of the namespace's default account, asked for as agents do; "" when there is no such account."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    try:
        answer = rest.send("POST", path, {"spec": {"expirationSeconds": ASKED}})
    except ApiRefused:
        return ""
    return str(answer["status"]["token"])


def life(token: str) -> float:
    """Seconds from a token's beginning to its end; 0.0 for none."""
    claims = _claims(token)
    return float(claims.get("exp", 0)) - float(claims.get("iat", 0))


def _claims(token: str) -> dict[str, Any]:
    try:
        raw = token.split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return found


def ghost(config: Config, model: str, clock: Clock) -> bool:
    """Whether a token is believed that the cluster's own key has signed for an account that is not there. `model`: a
    token of the cluster's, for issuer and audience."""
    from wherry.apiserver.authn.tokens import Tokens

    claims = _claims(model)
    if not claims:
        return False
    tokens = Tokens([(config.pki / "sa.key").read_bytes()], [str(claims["iss"])])
    account = ("kube-system", NOBODY, "00000000-0000-4000-8000-000000000000")
    signed = tokens.issue(account, claims["aud"], 600, clock.now(), {})
    visitor = Rest(Target(config.api_url(), config.authority, token=signed))
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    return status(visitor, "/apis/authentication.k8s.io/v1/selfsubjectreviews", body) < 400


def dry_runs(rest: Rest, config: Config) -> dict[str, int]:
    """Name of a plugin -> what a request is answered that it must refuse."""
    service = {"metadata": {"name": NOBODY}, "spec": {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}}
    pod = {"metadata": {"name": NOBODY}, "spec": {**_RESTRICTED, "serviceAccountName": NOBODY}}
    found = {
        "DenyServiceExternalIPs": status(rest, "/api/v1/namespaces/default/services?dryRun=All", service),
        "ServiceAccount": status(rest, "/api/v1/namespaces/default/pods?dryRun=All", pod),
        "NamespaceLifecycle": status(
            rest, f"/api/v1/namespaces/{NOBODY}/configmaps?dryRun=All", {"metadata": {"name": NOBODY}}
        ),
    }
    own = config.node_pair(config.machines()[0].name, "client")
    if own.exists():
        node = Rest(Target(config.api_url(), config.authority, own))
        found["NodeRestriction"] = status(node, "/api/v1/nodes?dryRun=All", {"metadata": {"name": NOBODY}})
    return found


def always_pulls(rest: Rest) -> bool:
    """Whether a pod that would use an image that is there is made to pull it."""
    body = {"metadata": {"name": NOBODY}, "spec": {**_RESTRICTED, "automountServiceAccountToken": False}}
    try:
        made = rest.send("POST", "/api/v1/namespaces/default/pods?dryRun=All", body)
    except ApiRefused:
        return False
    return bool(made["spec"]["containers"][0]["imagePullPolicy"] == "Always")


def plugins(rest: Rest) -> tuple[str, ...]:
    """The admission plugins of the server that runs: ours, if it is of our version; else nothing is known."""
    if rest.get("/version").get("gitVersion") != version.reported():
        return ()
    from wherry.apiserver.admission.plugins import ADMISSION

    return tuple(plugin.name for plugin in ADMISSION)


def may(rest: Rest, node: str) -> dict[str, bool]:
    """Questions about rights, with their answers."""
    everybody = ["system:authenticated"]
    return {
        "a stranger list pods": _may(rest, NOBODY, [], "list", "pods"),
        "a node read its own Node": _may(rest, f"system:node:{node}", ["system:nodes"], "get", "nodes", node),
        "the scheduler bind pods": _may(rest, "system:kube-scheduler", everybody, "create", "pods/binding"),
        "everybody who is known read Secrets": _may(rest, NOBODY, everybody, "list", "secrets"),
        "everybody who is known make pods": _may(rest, NOBODY, everybody, "create", "pods"),
    }


def _may(rest: Rest, user: str, groups: list[str], verb: str, resource: str, name: str = "") -> bool:
    plural, _, part = resource.partition("/")
    asked = {"verb": verb, "resource": plural, "subresource": part, "name": name, "version": "v1"}
    body = {"spec": {"user": user, "groups": groups, "resourceAttributes": asked}}
    answer = rest.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


def agents(rest: Rest) -> dict[str, int]:
    """Every node -> what its agent answers the API server. Nodes that are not Ready are left out."""
    ready = [one["metadata"]["name"] for one in rest.items("/api/v1/nodes") if _ready(one)]
    return {name: status(rest, f"/api/v1/nodes/{name}/proxy/healthz") for name in ready}


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def plaintext(rest: Rest, config: Config) -> tuple[tuple[str, ...], int]:
    """Secrets of which a value lies in the store's files as it is, and how many were looked for."""
    values = list(_longest(rest))[:SOUGHT]
    files = [path for path in config.server.glob("state.db*") if path.stat().st_size]
    found = tuple(name for name, needles in values if any(_holds(path, needles) for path in files))
    return found, len(values)


def _longest(rest: Rest) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    for secret in rest.items("/api/v1/secrets"):
        meta = secret["metadata"]
        for text in (secret.get("data") or {}).values():
            raw = base64.b64decode(text)
            if len(raw) >= LONG:
                yield f"{meta['namespace']}/{meta['name']}", (raw, text.encode())
                break


def _holds(path: Path, needles: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(needle) >= 0 for needle in needles)


def body_seconds() -> float:
    """How long the API server waits for a request's body."""
    from wherry.apiserver.server import BODY_SECONDS

    return BODY_SECONDS


def identities() -> tuple[str, ...]:
    """As whom the controllers act."""
    from wherry.controllers.accounts import NAMESPACE, account_of
    from wherry.controllers.registry import controllers
    from wherry.controllers.settings import Settings

    names = {account_of(one.name) for one in controllers(Settings())}
    return tuple(f"system:serviceaccount:{NAMESPACE}:{name}" for name in sorted(names))


def access(config: Config, clock: Clock) -> tuple[str, ...]:
    """What the access file adds to the ways in. Raises ConfigError."""
    if not config.access:
        return ()
    from wherry.app.access import load

    found = load(Path(config.access), clock)
    words = {"Oidc": "OIDC", "WebhookTokens": "a token webhook"}
    ways = [words.get(type(one).__name__, type(one).__name__) for one in found.bearers]
    return tuple(dict.fromkeys([*ways, *(["authenticating proxies"] if found.proxies else [])]))


TOLD: tuple[tuple[str, str, str, str, str], ...] = (
    ("Secrets are read", "get", "", "secrets", ""),
    ("Secrets are changed", "update", "", "secrets", ""),
    ("a token is asked for", "create", "", "serviceaccounts", "token"),
    ("a pod is made", "create", "", "pods", ""),
    ("a command runs in a container", "create", "", "pods", "exec"),
    ("a port is forwarded", "create", "", "pods", "portforward"),
    ("a Service is reached through the API", "get", "", "services", "proxy"),
    ("a node is reached through the API", "get", "", "nodes", "proxy"),
    ("a ConfigMap is changed", "update", "", "configmaps", ""),
    ("a role is bound", "create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
)


def told(config: Config) -> dict[str, str]:
    """What happens -> the level at which the audit policy tells of it."""
    from wherry.apiserver.audit.policy import decide
    from wherry.apiserver.authn.user import known
    from wherry.apiserver.routes import RequestInfo

    policy = auditing.policy(config.audit.policy)
    return {
        words: decide(
            policy,
            known("somebody", "system:authenticated"),
            RequestInfo(path="", verb=verb, is_resource=True, group=group, version="v1", resource=resource,
                        subresource=part, namespace="default", name="one"),
        ).level
        for words, verb, group, resource, part in TOLD
    }  # fmt: skip
