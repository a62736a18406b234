"""What cannot work shows its cause, to `kubectl describe` and to `wherry status`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.manifests import Json, pod
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
Seen = Callable[[Json], bool]


def waiting(*reasons: str) -> Seen:
    """The container waits for one of these reasons."""

    def seen(item: Json) -> bool:
        statuses = item["status"].get("containerStatuses") or [{"state": {}}]
        return (statuses[0]["state"].get("waiting") or {}).get("reason") in reasons

    return seen


def unschedulable(item: Json) -> bool:
    return any(c["type"] == "PodScheduled" and c["status"] == "False" for c in item["status"].get("conditions", ()))


CASES = [
    (
        pod("away", image="registry.invalid/none:1"),
        waiting("ImagePullBackOff"),
        ["Failed to pull image", "registry.invalid/none:1", "Error: ErrImagePull", "Back-off pulling image"],
        ["away", "ImagePullBackOff", "registry.invalid/none:1"],
    ),
    (
        pod("never", image="wherry.test/absent:1", container={"imagePullPolicy": "Never"}),
        waiting("ErrImageNeverPull"),
        ["ErrImageNeverPull", 'Container image "wherry.test/absent:1" is not present with pull policy of Never'],
        ["never", "ErrImageNeverPull"],
    ),
    (
        pod("crash", "echo the database is away; exit 4"),
        waiting("CrashLoopBackOff"),
        ["Back-off restarting failed container", "Exit Code:    4", "CrashLoopBackOff"],
        ["crash", "CrashLoopBackOff", "exit code 4"],
    ),
    (
        pod("huge", container={"resources": {"requests": {"cpu": "1000"}}}),
        unschedulable,
        ["0/1 nodes are available: 1 Insufficient cpu.", "FailedScheduling"],
        ["huge", "1 Insufficient cpu"],
    ),
    (
        pod("nowhere", nodeSelector={"disk": "gold"}),
        unschedulable,
        ["0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
        ["nowhere", "didn't match Pod's node affinity/selector"],
    ),
    (
        pod("unset", container={"envFrom": [{"configMapRef": {"name": "absent"}}]}),
        waiting("CreateContainerConfigError"),
        ['configmap "absent" not found', "CreateContainerConfigError"],
        ["unset", 'configmap "absent" not found'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("item", "seen", "described", "told"), CASES, ids=[c[0]["metadata"]["name"] for c in CASES])
def test_causes(
    cluster: Cluster, namespace: str, rest: Rest, item: Json, seen: Seen, described: list[str], told: list[str]
) -> None:
    key = f"{namespace}/{item['metadata']['name']}"
    events = f"/api/v1/namespaces/{namespace}/events"
    with Follower(rest, f"/api/v1/namespaces/{namespace}/pods") as pods, Follower(rest, events) as happened:
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(item))
        pods.wait(lambda objects: key in objects and seen(objects[key]), 30, "the cause in the status")
        happened.wait(lambda objects: any(told_last(one, item) for one in objects.values()), 30, "the cause's event")
    shown = cluster.kubectl("describe", "-n", namespace, "pod", item["metadata"]["name"])
    assert [words for words in described if words not in shown] == [], shown
    status = cluster.wherry("status", check=False)
    assert [words for words in told if words not in " ".join(status.split())] == [], status


def told_last(event: Json, item: Json) -> bool:
    """Whether this is the event that comes last of a cause."""
    last = ("BackOff", "ErrImageNeverPull", "FailedScheduling", "Failed")
    pulls = item["metadata"]["name"] == "away"
    return event["reason"] in (("BackOff",) if pulls else last)
