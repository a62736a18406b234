"""A container whose end makes the whole pod start over."""

from __future__ import annotations

from tests.unit.node.pods import NOW, container, facts, made, pod
from wherry.node import lifecycle
from wherry.node.facts import GetImage, Kill
from wherry.node.runtime.interface import State

RULES = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [7]}}]
POD = pod(
    init=(container("i"),), restartPolicy="Never",
    containers=[container("a", restartPolicy="Never", restartPolicyRules=RULES), container("b")],
)  # fmt: skip
DONE = made("i", State.EXITED, exit_code=0, finished=NOW)


def condition(found: lifecycle.Decision) -> tuple[str, str]:
    """Status and reason of AllContainersRestarting."""
    (one,) = (one for one in found.status.conditions if one.type == "AllContainersRestarting")
    return one.status, one.reason


def test_the_others_are_killed_then_everything_begins_with_the_init_containers() -> None:
    ended = made("a", State.EXITED, exit_code=7, finished=NOW + 5)
    alive = made("b")
    found = lifecycle.decide(POD, facts(DONE, ended, alive), NOW + 6)
    (kill,) = found.instructions
    assert isinstance(kill, Kill)
    assert kill.container == alive.id
    assert condition(found) == ("True", "RestartAllContainersStarted")

    dead = made("b", State.EXITED, exit_code=137, finished=NOW + 6)
    found = lifecycle.decide(POD, facts(DONE, ended, dead), NOW + 7)
    assert [one for one in found.instructions if isinstance(one, GetImage)] == [GetImage("i", 1)]

    again = made("i", State.EXITED, attempt=8, exit_code=0, finished=NOW + 8)
    found = lifecycle.decide(POD, facts(again, DONE, ended, dead), NOW + 9)
    assert condition(found)[0] == "False"
    images = {one.name for one in found.instructions if isinstance(one, GetImage)}
    assert images == {"a", "b"}


def test_another_end_is_an_ordinary_one() -> None:
    ended = made("a", State.EXITED, exit_code=1, finished=NOW + 5)
    found = lifecycle.decide(POD, facts(DONE, ended, made("b")), NOW + 6)
    assert not found.instructions
    assert condition(found)[0] == "False"
