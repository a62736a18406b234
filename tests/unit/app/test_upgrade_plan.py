"""What an upgrade does and what it refuses, decided from what there is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wherry.app import version
from wherry.app.steps import Failed
from wherry.app.supervise import Unit
from wherry.app.upgrade import plan as plans
from wherry.app.upgrade import pods
from wherry.app.upgrade.plan import Found

OWN = "0.2.0"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "wherry", lambda: OWN)


def units(release: str, python: str) -> dict[str, Unit]:
    found = (
        Unit("server", (python, "server"), "log", 0, 10, f"{release} settings 01234567"),
        Unit("agent-a", (python, "agent", "a"), "log", 1, 10, release),
        Unit("agent-b", (python, "agent", "b"), "log", 1, 10, release),
    )
    return {unit.name: unit for unit in found}


def found(before: str = "0.1.0", **change: Any) -> Found:
    kept, wanted = units(before, "/old/python"), units(OWN, "/new/python")
    plain = Found(
        kept=kept,
        wanted=tuple(wanted.values()),
        current=frozenset(),
        running=frozenset(kept),
        program=("/old/python",),
        program_wanted=("/new/python",),
        recorded=before,
        others={},
    )
    return dataclasses.replace(plain, **change)


def test_the_server_goes_first_upwards_and_the_agents_downwards() -> None:
    up, down = plans.plan(found("0.1.0")), plans.plan(found("0.3.1"))
    assert [move.name for move in up.moves] == ["server", "agent-a", "agent-b"]
    assert [move.name for move in down.moves] == ["agent-a", "agent-b", "server"]
    assert up.program == down.program == ("/new/python",)
    assert up.as_dict() == {
        "supervisor": "/new/python",
        "moves": [
            {"name": name, "from": "0.1.0", "to": OWN, "program": "/new/python"}
            for name in ("server", "agent-a", "agent-b")
        ],
    }


def test_what_an_interrupted_upgrade_has_done_is_left_out() -> None:
    kept = {**units("0.1.0", "/old/python"), "server": units(OWN, "/new/python")["server"]}
    made = plans.plan(found(kept=kept, current=frozenset({"server"}), program=("/new/python",)))
    assert [move.name for move in made.moves] == ["agent-a", "agent-b"]
    assert made.program == ()
    assert not made.empty


def test_nothing_to_do() -> None:
    wanted = units(OWN, "/new/python")
    same: dict[str, Any] = {"kept": wanted, "current": frozenset(wanted), "program": ("/new/python",)}
    assert plans.plan(found(**same, recorded=OWN)).empty
    assert not plans.plan(found(**same, recorded="0.1.0")).empty, "the version is still to be noted"


def test_a_process_that_does_not_run_is_started() -> None:
    wanted = units(OWN, "/new/python")
    made = plans.plan(found(kept=wanted, current=frozenset({"server", "agent-b"}), running=frozenset({"server"})))
    assert [(move.name, move.was) for move in made.moves] == [("agent-a", OWN)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"running": frozenset()}, "nothing of this cluster runs on this machine; `wherry up` starts it"),
        ({"kept": units("0.4.0", "x")}, "server runs wherry 0.4.0, and this is 0.2.0; go through the versions between"),
        ({"recorded": "1.2.0"}, "was last run by wherry 1.2.0, and this is 0.2.0; go through"),
        ({"server": "0.1.9"}, "the server runs wherry 0.1.9, and this is 0.2.0; upgrade the server's machine first"),
        ({"server": "0.4.0"}, "the server runs wherry 0.4.0, and this is 0.2.0; use a version"),
        ({"others": {"c": "0.2.1"}}, "node c runs wherry 0.2.1, which is newer than 0.2.0; run `wherry upgrade` of"),
        (
            {"others": {"c": "0.0.1"}},
            "node c runs wherry 0.0.1, and this is 0.2.0; run `wherry upgrade` on its machine",
        ),
        ({"store_format": 2, "store_known": 1}, "the store has format 2, and wherry 0.2.0 knows formats up to 1; see"),
        ({"free": 300 << 20, "store": 50 << 20}, "300 MiB are free, and an upgrade needs 306 MiB for a copy"),
    ],
)
def test_what_cannot_work_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Failed) as caught:
        plans.plan(found(**change))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"server": OWN}, {"server": "0.3.0"}, {"server": ""}, {"others": {"c": "0.1.0", "d": OWN, "e": ""}}]
)
def test_parts_one_version_apart_work(change: dict[str, Any]) -> None:
    assert plans.plan(found(**change)).moves


def item(
    name: str, *, ready: str = "True", phase: str = "Running", container: str = "c1", **meta: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", **meta},
        "spec": {"nodeName": "a"},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "main", "containerID": container}],
        },
    }


def test_pods_that_were_ready_are_held_to_it() -> None:
    before = pods.held([item("one"), item("two"), item("never", ready="False"), item("over", phase="Succeeded")], "a")
    assert sorted(pod.name for pod in before.values()) == ["default/one", "default/two"]
    assert pods.held([item("one")], "b") == {}
    assert pods.unready(before, [item("one"), item("two", ready="False"), item("new", ready="False")]) == [
        "default/two"
    ]
    assert pods.restarted(before, [item("one", container="c2"), item("two")]) == ["default/one"]


@pytest.mark.parametrize(
    "now", [[], [item("one", ready="False", phase="Succeeded", container="c2")], [item("one", deletionTimestamp="x")]]
)
def test_pods_that_have_ended_or_are_to_go_do_not_count(now: list[dict[str, Any]]) -> None:
    before = pods.held([item("one")], "a")
    assert pods.unready(before, now) == pods.restarted(before, now) == []
