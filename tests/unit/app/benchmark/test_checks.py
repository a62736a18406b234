"""Every check of the benchmark passes where nothing is wrong, and sees the one thing that is wrong for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.app.benchmark import control_plane, machines_and_objects
from tests.unit.app.benchmark.good import GOOD
from wherry.app.benchmark.check import Check
from wherry.app.benchmark.checks import CHECKS, chosen, judge
from wherry.app.benchmark.facts import Facts

WRONG: dict[str, Facts] = {**control_plane.WRONG, **machines_and_objects.WRONG}
MANUAL = {"1.2.20", "3.1.1", "3.1.2", "3.1.3", "4.2.5", "4.2.8", "5.4.2", "5.6.1"}
"""What only a person can tell: the evidence follows what is there."""
SECTIONS = {
    "1.1": 21, "1.2": 30, "1.3": 7, "1.4": 2, "2": 7, "3.1": 3, "3.2": 2, "4.1": 10, "4.2": 14, "4.3": 1,
    "5.1": 13, "5.2": 12, "5.3": 2, "5.4": 2, "5.5": 1, "5.6": 4,
}  # fmt: skip
"""How many checks the benchmark has in each section."""
FOR_PEOPLE = {
    "1.1": {9, 10, 20, 21}, "1.2": {1, 3, 9, 11, 20, 27, 28, 29}, "1.3": {1}, "2": {7}, "3.1": {1, 2, 3}, "3.2": {1, 2},
    "4.1": {3, 4, 7, 8}, "4.2": {4, 5, 7, 8, 9, 11, 12, 13, 14},
}  # fmt: skip
"""Those that it leaves to people; all of section 5 are."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_nothing_is_wrong(check: Check) -> None:
    found = check.verdict(GOOD)
    assert found.status in (("manual",) if check.id in MANUAL else ("pass", "not applicable")), found
    assert all(found.evidence)
    assert found.evidence


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_is_wrong_is_seen(check: Check) -> None:
    found = check.verdict(WRONG[check.id])
    if check.id in MANUAL:
        assert found.evidence != check.verdict(GOOD).evidence
    else:
        assert found.status == ("warn" if check.person else "fail"), found


def test_these_are_the_benchmarks_checks() -> None:
    assert [check.id for check in CHECKS] == [
        f"{section}.{n}" for section, count in SECTIONS.items() for n in range(1, count + 1)
    ]
    people = {check.id for check in CHECKS if check.person and not check.id.startswith("5.")}
    assert people == {f"{section}.{n}" for section, numbers in FOR_PEOPLE.items() for n in numbers}
    assert all(check.person for check in CHECKS if check.id.startswith("5."))
    assert set(WRONG) == {check.id for check in CHECKS}


@pytest.mark.parametrize("id", [f"5.2.{n}" for n in range(2, 13)])
def test_a_namespace_that_lets_it_is_told(id: str) -> None:
    """Also where no pod does it yet."""
    (check,) = chosen([id])
    found = check.verdict(machines_and_objects.OPEN_TO_ALL)
    assert found.status == "warn"
    assert any("namespace shop lets it (privileged)" in line for line in found.evidence)
    restricted = id in ("5.2.6", "5.2.7", "5.2.8", "5.2.9")
    assert (check.verdict(machines_and_objects.OPEN_TO_BASELINE).status == "warn") is restricted


def test_on_a_node_of_another_machines_cluster() -> None:
    """What is not there does not apply; nothing fails for it."""
    (agent,) = GOOD.nodes
    joined = replace(agent, door=replace(agent.door, bystander=None))
    findings = judge(CHECKS, replace(GOOD, plane=None, world=None, nodes=(joined,)))
    by_status = {one.id: one.status for one in findings}
    assert "fail" not in by_status.values()
    assert by_status["4.2.2"] == "manual", "a node has no tokens of accounts to try"
    away = {id for id, status in by_status.items() if status == "not applicable"}
    nodes = {"1.1.9", "1.1.10", "1.2.5", "1.3.6", *(id for id in by_status if id.startswith("4."))}
    assert away == set(by_status) - nodes


def test_without_anything_to_look_at_a_person_decides() -> None:
    assert GOOD.world is not None
    empty = replace(GOOD, world=replace(GOOD.world, network_policies=()))
    assert chosen(["5.3.1"])[0].verdict(empty).status == "manual"
    assert GOOD.plane is not None
    unsought = replace(GOOD, plane=replace(GOOD.plane, sought=0))
    assert chosen(["1.2.28"])[0].verdict(unsought).status == "manual"


def test_who_does_not_answer_refuses_nobody() -> None:
    (agent,) = GOOD.nodes
    silent = replace(GOOD, nodes=(replace(agent, door=replace(agent.door, nobody=0, bystander=0, verified="refused")),))
    found = {one.id for one in judge(chosen(["4.2"]), silent) if one.status in ("fail", "warn")}
    assert found == {"4.2.1", "4.2.2", "4.2.3", "4.2.9", "4.2.12"}


def test_sections_are_chosen() -> None:
    assert [one.id for one in chosen(["5.3", "2.1"])] == ["2.1", "5.3.1", "5.3.2"]
    assert len(chosen(["1"])) == 60
    assert chosen([]) == CHECKS
    with pytest.raises(ValueError, match="there is no section '7'"):
        chosen(["7"])


def test_a_remedy_is_told_where_there_is_something_to_do() -> None:
    findings = judge(CHECKS, GOOD)
    assert {one.id for one in findings if one.remedy} == MANUAL
    (found,) = judge(chosen(["1.1.13"]), WRONG["1.1.13"])
    assert found.status == "fail"
    assert found.evidence == ("/var/lib/wherry/server/admin.kubeconfig has mode 640",)
    assert found.remedy == "chmod 600 on the file that is named"
