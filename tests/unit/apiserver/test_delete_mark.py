"""What a DELETE makes of an object: gone, marked, or left as it is."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.pod import POD
from wherry.api.types.core import ConfigMap, Pod, PodSpec
from wherry.apiserver.authn.user import User
from wherry.apiserver.context import Context
from wherry.apiserver.verbs.delete import mark
from wherry.machinery.meta import DeleteOptions, ObjectMeta
from wherry.machinery.resource import Resource
from wherry.machinery.time import Time, seconds

NOW = 1_700_000_000.0
THEN = Time("2023-11-14T22:13:20Z")


def context(resource: Resource[Any]) -> Context[Any]:
    return Context(User("me"), resource)


def config_map(**meta: Any) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="a", **meta))


def pod(node: str = "n", **meta: Any) -> Pod:
    spec = PodSpec(node_name=node, termination_grace_period_seconds=30)
    return Pod(metadata=ObjectMeta(name="p", generation=1, **meta), spec=spec)


def test_without_a_reason_to_stay_it_is_gone() -> None:
    assert mark(context(CONFIGMAP), config_map(), DeleteOptions(), NOW) is None


def test_finalizers_make_it_stay() -> None:
    marked = mark(context(CONFIGMAP), config_map(finalizers=("x/y",)), DeleteOptions(), NOW)
    assert isinstance(marked, ConfigMap)
    assert marked.metadata.deletion_timestamp == THEN
    assert marked.metadata.deletion_grace_period_seconds == 0
    assert mark(context(CONFIGMAP), marked, DeleteOptions(), NOW + 9) is marked


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        ("Foreground", (), ("foregroundDeletion",)),
        ("Orphan", (), ("orphan",)),
        ("Background", ("orphan", "x/y"), ("x/y",)),
        ("Foreground", ("orphan", "x/y"), ("x/y", "foregroundDeletion")),
        (None, ("foregroundDeletion",), ("foregroundDeletion",)),
    ],
)
def test_policies_set_finalizers(policy: str | None, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    marked = mark(context(CONFIGMAP), config_map(finalizers=before), DeleteOptions(propagation_policy=policy), NOW)
    assert isinstance(marked, ConfigMap)
    assert marked.metadata.finalizers == after


def test_what_the_collector_has_done_is_not_asked_for_again() -> None:
    leaving = config_map(finalizers=("x/y",), deletion_timestamp=THEN, deletion_grace_period_seconds=0)
    assert mark(context(CONFIGMAP), leaving, DeleteOptions(propagation_policy="Foreground"), NOW) is leaving


def test_a_running_pod_gets_its_time() -> None:
    marked = mark(context(POD), pod(), DeleteOptions(), NOW)
    assert isinstance(marked, Pod)
    meta = marked.metadata
    assert (meta.deletion_grace_period_seconds, meta.generation) == (30, 2)
    assert seconds(meta.deletion_timestamp or "") == NOW + 30
    assert mark(context(POD), marked, DeleteOptions(), NOW) is marked
    assert mark(context(POD), marked, DeleteOptions(grace_period_seconds=60), NOW) is marked
    sooner = mark(context(POD), marked, DeleteOptions(grace_period_seconds=5), NOW)
    assert isinstance(sooner, Pod)
    assert seconds(sooner.metadata.deletion_timestamp or "") == NOW + 5
    assert mark(context(POD), marked, DeleteOptions(grace_period_seconds=0), NOW) is None


def test_a_pod_nowhere_goes_at_once() -> None:
    assert mark(context(POD), pod(node=""), DeleteOptions(), NOW) is None


def test_a_forced_pod_with_a_finalizer_stays_without_time() -> None:
    marked = mark(context(POD), pod(finalizers=("x/y",)), DeleteOptions(grace_period_seconds=0), NOW)
    assert isinstance(marked, Pod)
    assert marked.metadata.deletion_grace_period_seconds == 0
