"""Tables, durations, conditions and template hashes."""

from __future__ import annotations

import msgspec
import pytest

from wherry.machinery import conditions
from wherry.machinery.codec import encode
from wherry.machinery.hashing import safe_encode, template_hash
from wherry.machinery.meta import Condition, Object, ObjectMeta
from wherry.machinery.resource import Column, Resource
from wherry.machinery.table import age, duration, render, short_duration
from wherry.machinery.time import Time, time_at

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (-2, "<invalid>"), (-1, "0s"), (0.9, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (10 * MINUTE + 5, "10m"),
        (179 * MINUTE, "179m"), (3 * HOUR, "3h"), (7 * HOUR + MINUTE, "7h1m"), (8 * HOUR + MINUTE, "8h"),
        (2 * DAY, "2d"), (7 * DAY + HOUR, "7d1h"), (8 * DAY + HOUR, "8d"), (729 * DAY, "729d"), (731 * DAY, "2y1d"),
        (8 * 365 * DAY, "8y"),
    ],
)  # fmt: skip
def test_durations(length: float, shown: str) -> None:
    assert duration(length) == shown


def test_ages() -> None:
    assert age(time_at(1000), 1090) == "90s"
    assert age(None, 0) == "<unknown>"
    assert [short_duration(n) for n in (59, 90, 2 * HOUR, 3 * DAY, 400 * DAY)] == ["59s", "1m", "2h", "3d", "1y"]


class Thing(Object, frozen=True):
    """A kind."""

    size: int = 0


def _resource(*columns: Column[Thing]) -> Resource[Thing]:
    return Resource(Thing, group="", version="v1", kind="Thing", plural="things", singular="thing", columns=columns)


def test_tables() -> None:
    thing = Thing(metadata=ObjectMeta(name="a", creation_timestamp=time_at(0)), size=3)
    columns: tuple[Column[Thing], ...] = (
        Column("Size", lambda t, now: t.size, type="integer"),
        Column("Age", lambda t, now: age(t.metadata.creation_timestamp, now), wide=True),
    )
    table = msgspec.json.decode(encode(render(_resource(*columns), [thing], 60)))
    assert table["kind"] == "Table"
    assert [(c["name"], c["type"], c["format"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", "string", "name", 0), ("Size", "integer", "", 0), ("Age", "string", "", 1),
    ]  # fmt: skip
    (row,) = table["rows"]
    assert row["cells"] == ["a", 3, "60s"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "a"
    assert "object" not in render(_resource(*columns), [thing], 0, "None")["rows"][0]
    assert render(_resource(*columns), [thing], 0, "Object")["rows"][0]["object"] is thing


def test_tables_of_kinds_without_columns() -> None:
    thing = Thing(metadata=ObjectMeta(name="a", creation_timestamp=time_at(0)))
    table = render(_resource(), [thing], 60, metadata={"resourceVersion": "7"})
    assert table["rows"][0]["cells"] == ["a", "1970-01-01T00:00:00Z"]
    assert table["metadata"] == {"resourceVersion": "7"}


def test_conditions() -> None:
    early, late = Time("2026-01-01T00:00:00Z"), Time("2026-01-02T00:00:00Z")
    ready = Condition(type="Ready", status="True", reason="A")
    held = conditions.put((), ready, early)
    assert held[0].last_transition_time == early
    assert conditions.put(held, ready, late) is held
    said = conditions.put(held, Condition(type="Ready", status="True", reason="B"), late)
    assert (said[0].reason, said[0].last_transition_time) == ("B", early)
    fallen = conditions.put(said, Condition(type="Ready", status="False"), late)
    assert fallen[0].last_transition_time == late
    assert conditions.is_true(said, "Ready")
    assert not conditions.is_true(fallen, "Ready")
    assert conditions.get(fallen, "Other") is None
    assert conditions.remove(fallen, "Ready") == ()
    assert conditions.remove(fallen, "Other") is fallen


def test_hashes_are_stable() -> None:
    one, same = {"labels": {"a": "1", "b": "2"}}, {"labels": {"b": "2", "a": "1"}}
    assert template_hash(one) == template_hash(same)
    assert template_hash(one) != template_hash(one, 0) != template_hash(one, 1)
    assert template_hash(ObjectMeta(name="x")) == template_hash(ObjectMeta(name="x", generation=0))
    assert safe_encode("0123456789") == "456789bcdf"
