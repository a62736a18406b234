"""Which requests rules and selectors are about."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.types.admissionregistration import MatchResources, NamedRuleWithOperations, RuleWithOperations
from wherry.api.types.core import ConfigMap
from wherry.apiserver.admission.matching import (
    EXEMPT,
    GROUP,
    Asked,
    Place,
    match_namespace,
    match_object,
    match_resources,
    match_rules,
    rule_matches,
)
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta

PODS = Place("", "v1", "pods")
DEPLOYMENTS = Place("apps", "v1", "deployments")


def rule(**changes: Any) -> RuleWithOperations:
    given: dict[str, Any] = {
        "operations": ("CREATE",), "api_groups": ("",), "api_versions": ("v1",), "resources": ("pods",), **changes
    }  # fmt: skip
    return RuleWithOperations(**given)


def asked(place: Place = PODS, **changes: Any) -> Asked:
    given: dict[str, Any] = {"subresource": "", "operation": "CREATE", "namespace": "demo", "name": "a", **changes}
    return Asked(place, **given)


@pytest.mark.parametrize(
    ("changes", "request_changes", "expected"),
    [
        ({}, {}, True),
        ({"operations": ("UPDATE", "DELETE")}, {}, False),
        ({"operations": ("*",)}, {"operation": "CONNECT"}, True),
        ({"api_groups": ("apps",)}, {}, False),
        ({"api_groups": ("*",)}, {}, True),
        ({"api_versions": ("v2",)}, {}, False),
        ({"api_versions": ("*",)}, {}, True),
        ({}, {"subresource": "status"}, False),
        ({"resources": ("pods/*",)}, {"subresource": "status"}, True),
        ({"resources": ("pods/*",)}, {}, True),
        ({"resources": ("pods/status",)}, {"subresource": "status"}, True),
        ({"resources": ("pods/status",)}, {}, False),
        ({"resources": ("*",)}, {}, True),
        ({"resources": ("*",)}, {"subresource": "exec"}, False),
        ({"resources": ("*/exec",)}, {"subresource": "exec"}, True),
        ({"resources": ("*/*",)}, {"subresource": "exec"}, True),
        ({"scope": "Namespaced"}, {}, True),
        ({"scope": "Cluster"}, {}, False),
        ({"scope": "Cluster"}, {"namespace": ""}, True),
        ({"scope": "Namespaced"}, {"namespace": ""}, False),
    ],
)
def test_rules(changes: dict[str, Any], request_changes: dict[str, Any], *, expected: bool) -> None:
    assert rule_matches(rule(**changes), asked(**request_changes)) is expected


def test_a_namespace_is_cluster_scoped_although_requests_name_it() -> None:
    request = asked(Place("", "v1", "namespaces"), namespace="demo")
    assert rule_matches(rule(resources=("*",), scope="Cluster"), request)
    assert not rule_matches(rule(resources=("*",), scope="Namespaced"), request)


def test_names_narrow_a_rule() -> None:
    named = NamedRuleWithOperations(
        operations=("*",), api_groups=("*",), api_versions=("*",), resources=("*",), resource_names=("a", "b")
    )
    assert rule_matches(named, asked())
    assert not rule_matches(named, asked(name="c"))


def test_equivalent_finds_the_version_that_a_rule_names() -> None:
    old = Place("apps", "v1beta1", "deployments")
    request = asked(DEPLOYMENTS, equivalents=(DEPLOYMENTS, old))
    rules = [rule(api_groups=("apps",), api_versions=("v1beta1",), resources=("deployments",))]
    assert match_rules(rules, "Equivalent", request) == old
    assert match_rules(rules, "Exact", request) is None
    both = [*rules, rule(api_groups=("apps",), api_versions=("v1",), resources=("deployments",))]
    assert match_rules(both, "Equivalent", request) == DEPLOYMENTS


def test_exclusions_win() -> None:
    everything: dict[str, Any] = {
        "operations": ("*",), "api_groups": ("*",), "api_versions": ("*",), "resources": ("*",),
    }  # fmt: skip
    own = MatchResources(
        match_policy="Equivalent",
        resource_rules=(NamedRuleWithOperations(**everything),),
        exclude_resource_rules=(NamedRuleWithOperations(**everything, resource_names=("b",)),),
    )
    assert match_resources(own, asked()) == PODS
    assert match_resources(own, asked(name="b")) is None
    assert match_resources(None, asked()) == PODS
    assert match_resources(MatchResources(), asked()) == PODS


def test_what_decides_is_exempt() -> None:
    assert all(asked(Place(GROUP, "v1", plural), namespace="").exempt for plural in EXEMPT)
    assert not asked(Place("other.io", "v1", "validatingwebhookconfigurations")).exempt


NOT_SYSTEM = LabelSelector(
    match_expressions=(LabelSelectorRequirement(key="kubernetes.io/metadata.name", operator="NotIn", values=("sys",)),)
)


def labelled(**labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="x", labels=labels))


def test_namespace_selectors_look_at_the_namespace() -> None:
    def labels_of(name: str) -> dict[str, str] | None:
        return {"kubernetes.io/metadata.name": name} if name != "gone" else None

    def matches(request: Asked, obj: object = None, selector: LabelSelector | None = NOT_SYSTEM) -> bool | None:
        return match_namespace(selector, request, obj, labels_of)

    assert matches(asked()) is True
    assert matches(asked(namespace="sys")) is False
    assert matches(asked(namespace="gone")) is None
    assert matches(asked(namespace="gone"), selector=LabelSelector()) is True
    assert matches(asked(namespace="")) is True
    namespaces = Place("", "v1", "namespaces")
    own = ConfigMap(metadata=ObjectMeta(labels={"kubernetes.io/metadata.name": "sys"}))
    assert matches(asked(namespaces, namespace="new"), own) is False
    assert matches(asked(namespaces, namespace="sys", operation="DELETE"), None) is False


def test_object_selectors_look_at_both_sides_of_a_change() -> None:
    selector = LabelSelector(match_labels={"watched": "yes"})
    assert match_object(selector, labelled(watched="yes"), None)
    assert match_object(selector, labelled(), labelled(watched="yes"))
    assert not match_object(selector, labelled(watched="no"), labelled())
    assert not match_object(selector, None, None)
    assert match_object(LabelSelector(), None, None)
    unlabelled = LabelSelector(match_expressions=(LabelSelectorRequirement(key="a", operator="DoesNotExist"),))
    assert match_object(unlabelled, labelled(), None)
    assert not match_object(unlabelled, object(), None), "what has no metadata matches no selector"
