"""The DaemonSet plan: nodes that fit or do not, taints, and updates with and without surge."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.daemonset import DAEMONSET
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.types.apps import DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from wherry.api.types.core import Container, Node, NodeSpec, PodCondition, PodSpec, PodTemplateSpec, Taint
from wherry.controllers.daemonset import plan
from wherry.controllers.daemonset_pod import node_of
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.time import time_at

LOG = Key("default", "log")
LABELS = {"app": "log"}


def log(surge: int = 0, unavailable: int = 1) -> DaemonSet:
    rolling = RollingUpdateDaemonSet(max_surge=surge, max_unavailable=unavailable)
    made = DaemonSet(
        metadata=ObjectMeta(name="log", namespace="default", uid="ds-1", generation=1),
        spec=DaemonSetSpec(
            selector=LabelSelector(match_labels=LABELS),
            template=template("v1"),
            update_strategy=DaemonSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling),
        ),
    )
    return DAEMONSET.default(made)


def template(image: str, **selector: str) -> PodTemplateSpec:
    spec = PodSpec(containers=(Container(name="c", image=image),), node_selector=selector)
    return PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=spec)


def node(name: str, *taints: Taint, **labels: str) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels=labels), spec=NodeSpec(taints=taints))


def world(ds: DaemonSet, *nodes: Node) -> FakeView:
    return FakeView().put(DAEMONSET, ds).put(NODE, *nodes)


def work(view: FakeView, rounds: int = 80) -> None:
    for _ in range(rounds):
        wrote = view.carry_out(plan(view, LOG))
        if not wrote and not bring_up(view):
            return
        view.now += 1
    raise AssertionError("never ends")


def bring_up(view: FakeView) -> bool:
    """The next pod that is not ready becomes so."""
    for pod in view.list(POD):
        if pod.status.phase != "Running":
            ready = PodCondition(type="Ready", status="True", last_transition_time=time_at(view.now))
            view.put(POD, replace(pod, status=replace(pod.status, phase="Running", conditions=(ready,))))
            return True
    return False


def edit(view: FakeView, image: str) -> None:
    ds = view.get(DAEMONSET, LOG)
    assert ds is not None
    view.put(DAEMONSET, DAEMONSET.default(replace(ds, spec=replace(ds.spec, template=template(image)))))


def places(view: FakeView) -> list[tuple[str, str]]:
    return sorted((node_of(pod), pod.spec.containers[0].image) for pod in view.list(POD))


def test_one_on_every_node_that_fits() -> None:
    ds = log()
    ds = DAEMONSET.default(replace(ds, spec=replace(ds.spec, template=template("v1", disk="ssd"))))
    full = Taint(key="dedicated", value="db", effect="NoSchedule")
    pressed = Taint(key="node.kubernetes.io/disk-pressure", effect="NoSchedule")
    view = world(ds, node("a", disk="ssd"), node("b"), node("c", full, disk="ssd"), node("d", pressed, disk="ssd"))
    work(view)
    assert places(view) == [("a", "v1"), ("d", "v1")]
    got = view.get(DAEMONSET, LOG)
    assert got is not None
    assert (got.status.desired_number_scheduled, got.status.number_ready, got.status.number_available) == (2, 2, 2)


def test_revisions_and_pods_carry_the_same_hash_under_the_same_label() -> None:
    view = world(log(), node("a"))
    work(view)
    (revision,) = view.list(CONTROLLERREVISION)
    (pod,) = view.list(POD)
    assert revision.metadata.labels["controller-revision-hash"] == pod.metadata.labels["controller-revision-hash"] != ""


def test_a_revision_holds_the_template_byte_for_byte_as_clients_in_go_write_it() -> None:
    view = world(log(), node("a"))
    work(view)
    (revision,) = view.list(CONTROLLERREVISION)
    container = (
        '{"image":"v1","imagePullPolicy":"Always","name":"c","resources":{},'
        '"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}'
    )
    spec = (
        f'{{"containers":[{container}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",'
        '"schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}'
    )
    template = f'{{"$patch":"replace","metadata":{{"labels":{{"app":"log"}}}},"spec":{spec}}}'
    assert json.dumps(revision.data, separators=(",", ":")) == f'{{"spec":{{"template":{template}}}}}'


def test_a_revision_that_carries_its_hash_as_older_versions_labelled_it_stays() -> None:
    view = world(log(), node("a"))
    work(view)
    (revision,) = view.list(CONTROLLERREVISION)
    labels = {**LABELS, "controller.kubernetes.io/hash": revision.metadata.labels["controller-revision-hash"]}
    old = replace(revision, metadata=replace(revision.metadata, labels=labels))
    view.put(CONTROLLERREVISION, old)
    before = view.list(POD)
    work(view)
    assert (view.list(POD), view.list(CONTROLLERREVISION)) == (before, (old,))


def test_a_revision_from_before_a_default_was_known_is_still_of_its_template() -> None:
    view = world(log(), node("a"))
    work(view)
    (revision,) = view.list(CONTROLLERREVISION)
    data = json.loads(json.dumps(revision.data))
    del data["spec"]["template"]["spec"]["containers"][0]["terminationMessagePolicy"]
    old = replace(revision, data=data)
    view.put(CONTROLLERREVISION, old)
    before = view.list(POD)
    work(view)
    assert (view.list(POD), view.list(CONTROLLERREVISION)) == (before, (old,))


def test_taints_of_running_pods() -> None:
    view = world(log(), node("a"), node("b"))
    work(view)
    view.put(NODE, node("a", Taint(key="x", effect="NoSchedule")), node("b", Taint(key="x", effect="NoExecute")))
    work(view)
    assert places(view) == [("a", "v1")]
    got = view.get(DAEMONSET, LOG)
    assert got is not None
    assert (got.status.desired_number_scheduled, got.status.number_misscheduled) == (0, 1)


def test_failed_pods_are_replaced() -> None:
    view = world(log(), node("a"))
    work(view)
    (pod,) = view.list(POD)
    view.put(POD, replace(pod, status=replace(pod.status, phase="Failed")))
    work(view)
    (new,) = view.list(POD)
    assert new.metadata.uid != pod.metadata.uid
    assert any(e.reason == "FailedDaemonPod" for e in view.emitted)


@settings(max_examples=60)
@given(n=st.integers(0, 6), surge=st.integers(0, 3), unavailable=st.integers(0, 3))
def test_an_update_keeps_its_limits_and_ends(n: int, surge: int, unavailable: int) -> None:
    view = world(log(surge, unavailable), *(node(f"n{i}") for i in range(n)))
    work(view)
    edit(view, "v2")
    limit = max(unavailable, 1) if surge == 0 else unavailable
    for _ in range(80):
        wrote = view.carry_out(plan(view, LOG))
        ready = {node_of(pod) for pod in view.list(POD) if pod.status.phase == "Running"}
        assert len(ready) >= n - limit
        assert len(view.list(POD)) <= n + surge
        if not wrote and not bring_up(view):
            break
        view.now += 1
    assert places(view) == [(f"n{i}", "v2") for i in range(n)]
