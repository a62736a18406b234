"""No sequence of writes to roles and bindings gives their writer a right that they did not have.

Random writes (made, replaced, patched, applied; of roles, cluster roles, aggregated ones, and bindings of all of them)
by somebody who may write roles and has a few other rights. After each, the server's own rules say whether a right was
gained. WHERRY_FUZZ makes that many times as many, at random.
"""

from __future__ import annotations

import asyncio
import os
import time
from itertools import product
from random import Random
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_access import RBAC, as_user
from wherry.apiserver.authn.user import known
from wherry.apiserver.authz.rules import Attributes

pytestmark = pytest.mark.looptime(False)

CASES = int(os.environ.get("WHERRY_FUZZ", "0"))
EVE = known("eve", "dev")
KINDS = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
OWN = [
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": list(KINDS),
     "verbs": ["get", "create", "update", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods", "services/*"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["*"]},
    {"nonResourceURLs": ["/metrics", "/healthz/*"], "verbs": ["get"]},
]  # fmt: skip
GROUPS, RESOURCES = (
    ("", "apps", "rbac.authorization.k8s.io"),
    ("pods", "secrets", "configmaps", "deployments", "services", *KINDS),
)
VERBS, NAMES = ("get", "list", "delete", "escalate", "bind"), ("", "a")
QUESTIONS = (
    *(
        Attributes(EVE, verb, group, resource, sub, namespace, name)
        for verb, group, resource, sub, namespace, name in product(
            VERBS, GROUPS, RESOURCES, ("", "proxy"), ("demo", ""), NAMES
        )
    ),
    *(Attributes(EVE, "get", path=path) for path in ("/", "/metrics", "/metrics/x", "/healthz/a", "/debug")),
)


def some(random: Random, values: tuple[str, ...], most: int = 2) -> list[str]:
    return random.sample(values, random.randint(1, most))


def rule(random: Random) -> dict[str, Any]:
    """Anything at all; or, nearer to the edge, one of one's own with a field changed."""
    fields: dict[str, Any] = {
        "apiGroups": some(random, (*GROUPS, "*")),
        "resources": some(random, (*RESOURCES, "*", "services/*", "*/proxy", "pods/exec")),
        "verbs": some(random, (*VERBS, "*")),
        "resourceNames": some(random, ("a", "b")),
    }
    if random.random() < 0.6:
        chosen = dict(random.choice(OWN))
        field = random.choice(sorted(chosen))
        if random.random() < 0.5 and field in fields:
            chosen[field] = fields[field]
        elif field == "nonResourceURLs":
            chosen[field] = some(random, ("/metrics", "/metrics*", "/healthz/*", "/health*", "*", "/metrics/x"))
        return chosen
    if random.random() < 0.5:
        del fields["resourceNames"]
    return fields


def role(random: Random, kind: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": name, "labels": {"collect": random.choice("xy")}}}
    if kind == "clusterroles" and random.random() < 0.3:
        return {
            **body,
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"collect": random.choice("xy")}}]},
        }
    return {**body, "rules": [rule(random) for _ in range(random.randint(0, 2))]}


def binding(random: Random, kind: str, name: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    cluster = kind == "clusterrolebindings" or random.random() < 0.6
    own = ("r0", "r1", "r2", "r3") * 4
    roles = ("cluster-admin", "admin", "edit", "view", "system:node", "own", "missing", *own)
    ref = {"apiGroup": group, "kind": "ClusterRole" if cluster else "Role", "name": random.choice(roles)}
    who = random.choice(
        ({"kind": "User", "name": "eve"}, {"kind": "Group", "name": "dev"}, {"kind": "User", "name": "bob"})
    )
    return {"metadata": {"name": name}, "roleRef": ref, "subjects": [{"apiGroup": group, **who}]}


async def prepared(http: Http) -> None:
    """Eve may write roles and bindings, and a little more."""
    await http("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "own"}, "rules": OWN})
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "own"}
    await http(
        "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "own"}, "roleRef": ref, "subjects": [subject]}
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"rules": [OWN[1]]}, {"rules": [{**OWN[1], "verbs": ["get", "list", "delete"]}]}),
        ({"rules": [OWN[1]]}, {"rules": [{**OWN[1], "resources": ["pods", "secrets"]}]}),
        ({"rules": [OWN[1]]}, {"rules": [{**OWN[1], "resources": ["pods/exec"]}]}),
        ({"rules": [OWN[2]]}, {"rules": [{**OWN[2], "apiGroups": ["batch"]}]}),
        ({"rules": [OWN[3]]}, {"rules": [{**OWN[3], "resourceNames": ["b"]}]}),
        ({"rules": [OWN[3]]}, {"rules": [{k: v for k, v in OWN[3].items() if k != "resourceNames"}]}),
        ({"rules": [OWN[4]]}, {"rules": [{**OWN[4], "nonResourceURLs": ["/metrics/x"]}]}),
        ({"rules": [OWN[4]]}, {"rules": [{**OWN[4], "nonResourceURLs": ["/*"]}]}),
        ({"rules": []}, {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"collect": "x"}}]}}),
    ],
    ids=[
        "verb",
        "resource",
        "subresource",
        "group",
        "other name",
        "no name",
        "longer path",
        "shorter path",
        "gathered",
    ],
)
async def test_a_role_that_one_holds_is_not_made_wider(http: Http, first: dict[str, Any], then: dict[str, Any]) -> None:
    """Eve makes a role of what she has, binds herself to it, and widens it, in every way of writing."""
    await prepared(http)
    wide = {"metadata": {"name": "wide", "labels": {"collect": "x"}}, "rules": [{**OWN[1], "resources": ["secrets"]}]}
    assert (await http("POST", f"{RBAC}/clusterroles", wide)).code == 201
    group, types = "rbac.authorization.k8s.io", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    one = f"{RBAC}/clusterroles/mine"
    async with as_user(http, "eve", "dev") as eve:
        assert (await eve("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "mine"}, **first})).code == 201
        body = {
            "metadata": {"name": "mine"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "mine"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "eve"}],
        }
        assert (await eve("POST", f"{RBAC}/clusterrolebindings", body)).code == 201
        wider = {**types, "metadata": {"name": "mine"}, **then}
        for answer in (
            await eve("POST", f"{RBAC}/clusterroles", {**wider, "metadata": {"name": "more"}}),
            await eve("PUT", one, wider),
            await eve("PATCH", one, then, "application/merge-patch+json"),
            await eve("PATCH", f"{one}?fieldManager=x&force=true", wider, "application/apply-patch+yaml"),
        ):
            assert (answer.code, "RBAC permissions not currently held" in answer.message) == (403, True), answer.body


async def test_no_sequence_of_writes_escalates(http: Http) -> None:
    """(Fails when an update or a binding is not held against what its writer has.)"""
    authorizer = http.running.server.api.authorizer
    assert (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})).code == 201
    await prepared(http)

    def rights() -> set[Attributes]:
        return {asked for asked in QUESTIONS if authorizer.allowed(asked)}

    held = rights()
    assert 50 < len(held) < len(QUESTIONS) / 2
    seed = time.time_ns() if CASES else 11
    random = Random(seed)
    codes: dict[tuple[str, int], int] = {}
    async with as_user(http, "eve", "dev") as eve:
        for _ in range(300 * max(CASES, 1)):
            kind, name = random.choice(KINDS), f"r{random.randrange(4)}"
            root = f"{RBAC}/{kind}" if kind.startswith("cluster") else f"{RBAC}/namespaces/demo/{kind}"
            body = role(random, kind, name) if kind.endswith("roles") else binding(random, kind, name)
            match random.randrange(7):
                case 0 | 4 | 6:
                    answer = await eve("POST", root, body)
                case 5:
                    answer = await eve("DELETE", f"{root}/{name}")
                case 1:
                    answer = await eve("PUT", f"{root}/{name}", body)
                case 2:
                    answer = await eve("PATCH", f"{root}/{name}", body, "application/merge-patch+json")
                case _:
                    types = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": SINGULAR[kind]}
                    answer = await eve(
                        "PATCH", f"{root}/{name}?fieldManager=x&force=true", {**types, **body},
                        "application/apply-patch+yaml",
                    )  # fmt: skip
            assert answer.code < 500, answer.body
            codes[kind, answer.code] = codes.get((kind, answer.code), 0) + 1
            await asyncio.sleep(0.002)  # roles that are gathered from others are written by a task
            gained = rights() - held
            assert not gained, (seed, kind, body, answer.code, sorted(map(str, gained))[:5])
    for kind in KINDS:
        assert codes.get((kind, 201), 0) + codes.get((kind, 200), 0) > 5, codes
        assert codes.get((kind, 403), 0) > 2, codes


SINGULAR = {
    "roles": "Role", "clusterroles": "ClusterRole", "rolebindings": "RoleBinding",
    "clusterrolebindings": "ClusterRoleBinding",
}  # fmt: skip
