"""PodQueue in numbers: order, back-off, parking."""

from __future__ import annotations

from wherry.scheduler.queue import PodQueue


def drain(queue: PodQueue, now: float) -> list[str]:
    out = []
    while (uid := queue.next(now)) is not None:
        out.append(uid)
    return out


def test_important_pods_come_first_then_those_that_wait_longest() -> None:
    queue = PodQueue()
    for uid, priority, since in (("late", 0, 3.0), ("early", 0, 1.0), ("vip", 9, 4.0)):
        queue.add(uid, priority, since)
    assert drain(queue, 5.0) == ["vip", "early", "late"]


def test_a_pod_is_handed_out_once_and_adding_it_again_changes_nothing() -> None:
    queue = PodQueue()
    queue.add("a", 0, 0.0)
    queue.add("a", 0, 0.0)
    assert drain(queue, 0.0) == ["a"]
    queue.add("a", 0, 0.0)
    assert drain(queue, 0.0) == []
    assert len(queue) == 1


def test_a_dropped_pod_is_never_handed_out() -> None:
    queue = PodQueue()
    queue.add("a", 0, 0.0)
    queue.drop("a")
    assert drain(queue, 0.0) == []
    assert queue.wait(0.0) is None


def test_a_parked_pod_waits_for_a_change_and_its_back_off() -> None:
    queue = PodQueue()
    queue.add("a", 0, 0.0)
    now = 0.0
    for pause in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        assert drain(queue, now) == ["a"]
        queue.failed("a", now)
        queue.changed(now)
        assert drain(queue, now + pause - 0.01) == []
        assert queue.wait(now) == pause
        now += pause
    assert drain(queue, now) == ["a"]


def test_without_any_change_a_parked_pod_is_tried_after_five_minutes() -> None:
    queue = PodQueue()
    queue.add("a", 0, 0.0)
    drain(queue, 0.0)
    queue.failed("a", 0.0)
    assert queue.wait(0.0) == 300.0
    assert drain(queue, 299.9) == []
    assert drain(queue, 300.0) == ["a"]


def test_where_help_is_likely_nobody_waits_longer_than_a_second() -> None:
    queue = PodQueue()
    queue.add("a", 0, 0.0)
    for _ in range(5):
        drain(queue, 0.0)
        queue.retry("a", 0.0)
        drain(queue, 100.0)
    queue.failed("a", 100.0)
    queue.changed(100.0)  # any change: in ten seconds
    assert queue.wait(100.0) == 10.0
    queue.changed(100.5, soon=True)  # a node
    assert drain(queue, 100.9) == []
    assert drain(queue, 101.0) == ["a"]
    assert drain(queue, 111.0) == []


def test_pods_that_appear_only_wake_those_that_like_company() -> None:
    queue = PodQueue()
    for uid in ("social", "alone"):
        queue.add(uid, 0, 0.0)
    drain(queue, 0.0)
    queue.failed("social", 0.0, minds_neighbours=True)
    queue.failed("alone", 0.0)
    queue.neighbours_came(5.0)
    assert drain(queue, 5.0) == ["social"]
    queue.changed(5.0)
    assert drain(queue, 5.0) == ["alone"]
