"""RBAC rules: what they allow, and that escalation checks are neither too lax nor too strict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wherry.api.types.rbac import PolicyRule
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.rules import Attributes, allows, show, split, uncovered
from wherry.apiserver.bootstrap import rbac_objects

BOB = User("bob")


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> PolicyRule:
    return PolicyRule(
        verbs=tuple(verbs.split()),
        resources=tuple(resources.split()),
        api_groups=tuple(g.strip("-") for g in (groups.split() or [""])),
        resource_names=tuple(names.split()),
    )


def asks(verb: str, resource: str, name: str = "", sub: str = "", group: str = "") -> Attributes:
    return Attributes(BOB, verb, group, resource, sub, "demo", name)


def test_what_a_rule_allows() -> None:
    reads = rule("get list", "pods pods/log")
    assert allows(reads, asks("get", "pods"))
    assert allows(reads, asks("get", "pods", sub="log"))
    assert not allows(reads, asks("get", "pods", sub="exec"))
    assert not allows(reads, asks("delete", "pods"))
    assert not allows(reads, asks("get", "pods", group="metrics.k8s.io"))
    assert allows(rule("*", "*/scale", "*"), asks("update", "deployments", sub="scale", group="apps"))
    assert not allows(rule("*", "*/scale", "*"), asks("update", "deployments", group="apps"))
    named = rule("get", "secrets", names="a")
    assert allows(named, asks("get", "secrets", "a"))
    assert not allows(named, asks("get", "secrets", "b"))
    assert not allows(named, asks("list", "secrets"))


def test_paths() -> None:
    health = PolicyRule(verbs=("get",), non_resource_urls=("/healthz", "/api/*"))
    assert allows(health, Attributes(BOB, "get", path="/healthz"))
    assert allows(health, Attributes(BOB, "get", path="/api/v1"))
    assert not allows(health, Attributes(BOB, "get", path="/apis"))
    assert not allows(rule("*", "*", "*"), Attributes(BOB, "get", path="/healthz"))


def test_a_rule_as_it_is_shown() -> None:
    assert show(rule("get", "pods")) == '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'


some = st.lists(st.sampled_from(["get", "list", "*"]), min_size=1, max_size=2, unique=True)
what = st.lists(st.sampled_from(["pods", "pods/log", "*", "*/log", "secrets"]), min_size=1, max_size=2, unique=True)
who = st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True)
groups = st.lists(st.sampled_from(["", "apps", "*"]), min_size=1, max_size=2, unique=True)
rules = st.builds(
    lambda v, r, g, n: PolicyRule(verbs=tuple(v), resources=tuple(r), api_groups=tuple(g), resource_names=tuple(n)),
    some, what, groups, who,
)  # fmt: skip
questions = [
    Attributes(BOB, verb, group, resource, sub, "demo", name)
    for verb in ("get", "list", "watch")
    for group in ("", "apps", "batch")
    for resource, sub in (("pods", ""), ("pods", "log"), ("secrets", ""), ("jobs", ""), ("jobs", "log"))
    for name in ("", "a", "c")
]


@given(st.lists(rules, max_size=3), st.lists(rules, min_size=1, max_size=3))
def test_what_is_covered_allows_nothing_more(held: list[PolicyRule], wanted: list[PolicyRule]) -> None:
    """Nobody who passes the escalation check could grant a right outside their own."""
    if uncovered(held, wanted):
        return
    for question in questions:
        if any(allows(r, question) for r in wanted):
            assert any(allows(r, question) for r in held)


@given(st.lists(rules, min_size=1, max_size=3))
def test_everybody_holds_what_they_hold(held: list[PolicyRule]) -> None:
    assert uncovered(held, held) == []
    assert all(len(small.verbs) == 1 for r in held for small in split(r))


def test_default_roles_and_bindings_fit_together() -> None:
    objects = [obj for _, obj in rbac_objects()]
    roles = {(o.kind, o.metadata.namespace, o.metadata.name) for o in objects if o.kind.endswith("Role")}
    for obj in objects:
        if obj.kind.endswith("Binding"):
            ref = obj.role_ref  # type: ignore[attr-defined] # bindings have one
            place = obj.metadata.namespace if ref.kind == "Role" else ""
            assert (ref.kind, place, ref.name) in roles
    assert ("ClusterRole", "", "cluster-admin") in roles
