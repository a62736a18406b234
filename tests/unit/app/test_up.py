"""What `wherry up` may change about an existing cluster, the processes it asks for, and how it reads nodes' states."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from wherry.aio.clock import LoopClock
from wherry.app import config as configuration
from wherry.app import up, version
from wherry.app.config import Acme, Config
from wherry.app.rest import ApiUnreachable, Rest
from wherry.app.steps import Failed, Step, Steps
from wherry.host import daemons, files


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_one_node_does_not_become_several(before: int, after: int) -> None:
    with pytest.raises(Failed, match="wherry delete") as caught:
        up.check_change(Config(nodes=before), Config(nodes=after))
    assert caught.value.code == 2


def test_several_nodes_may_become_more_and_stopped_ones_fewer(tmp_path: Path) -> None:
    root = str(tmp_path)
    up.check_change(None, Config(root=root, nodes=3))
    up.check_change(Config(root=root, nodes=2), Config(root=root, nodes=3))
    up.check_change(Config(root=root, nodes=3), Config(root=root, nodes=2))


def test_an_agent_per_node_after_the_server() -> None:
    units = up.units(Config(nodes=2))
    assert [(unit.name, unit.order) for unit in units] == [
        ("server", 0),
        ("watchdog", 1),
        ("agent-wherry-1", 2),
        ("agent-wherry-2", 2),
    ]
    assert units[3].argv[-2:] == ("--node", "wherry-2")
    assert units[0].version


def test_the_server_is_started_anew_when_acme_is_turned_on_or_off() -> None:
    off, on, other = (up.units(Config(acme=acme)) for acme in (Acme(), Acme("a@b.org"), Acme("c@b.org")))
    assert len({units[0].version for units in (off, on, other)}) == 3
    assert off[1] == on[1] == other[1]


def test_another_version_takes_over_by_upgrade_alone_while_anything_runs(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path))
    run = files.private_folder(config.run / "units")
    try:
        (unit, *_) = up.units(config)
        (run / "server.json").write_text(unit._replace(version="0.0.9 settings 12345678").encode())
        up.check_version(config)
        own = daemons.find(os.getpid())
        assert own is not None
        daemons.write_pid(config.run / "server.pid", own)
        with pytest.raises(Failed, match=r"server runs wherry 0\.0\.9, and this is .*; replace .* `wherry upgrade`"):
            up.check_version(config)
        (run / "server.json").write_text(unit.encode())
        up.check_version(config)
    finally:
        shutil.rmtree(config.run)


def test_a_cluster_of_long_ago_is_not_started(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path))
    configuration.save(config)
    up.check_version(config)
    file = configuration.path(tmp_path)
    file.write_text(file.read_text().replace(version.wherry(), "0.77.0"))
    with pytest.raises(Failed, match=r"was last run by wherry 0\.77\.0, .*; go through the versions between"):
        up.check_version(config)


class Answers(Rest):
    """Canned lists by path's last part."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists

    def items(self, path: str) -> list[dict[str, Any]]:
        if not self.lists:
            raise ApiUnreachable("down")
        return self.lists[path.rsplit("/", 1)[1]]


def node(status: str, message: str = "") -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "message": message}
    return {"metadata": {"name": "n"}, "status": {"conditions": [ready]}}


def lease(renewed: str) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "spec": {"renewTime": renewed}}


NOON = 1_767_268_800.0


@pytest.mark.parametrize(
    ("nodes", "leases", "since", "state"),
    [
        ([node("True")], [], 0.0, {"n": ""}),
        ([node("True")], [lease("2026-01-01T12:00:01.000000Z")], NOON, {"n": ""}),
        (
            [node("True")],
            [lease("2026-01-01T11:59:59.000000Z")],
            NOON,
            {"n": "its agent has not reported since it was started"},
        ),
        ([node("False", "network is not ready")], [], 0.0, {"n": "network is not ready"}),
        ([], [], 0.0, {}),
    ],
)
def test_ready_counts_only_from_the_running_agent(
    nodes: list[dict[str, Any]], leases: list[dict[str, Any]], since: float, state: dict[str, str]
) -> None:
    assert up.node_states(Answers(nodes=nodes, leases=leases), {"n": since} if since else {}) == state


def test_an_api_that_does_not_answer_knows_no_nodes() -> None:
    assert up.node_states(Answers(), {}) == {}


async def test_steps_are_timed_and_reported_twice() -> None:
    seen: list[tuple[str, bool]] = []

    def report(step: Step) -> None:
        seen.append((step.name, step.done))

    steps = Steps(LoopClock(), report)
    with steps.step("one") as step:
        step.detail = "fine"
    assert seen == [("one", False), ("one", True)]
    assert steps.taken[0].as_dict() == {"step": "one", "seconds": 0.0, "detail": "fine", "changed": True}
