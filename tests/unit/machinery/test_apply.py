"""Server-side apply: the rules people rely on, and a model on plain sets of paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.field_model import SCHEMA, Path, flat, objects, paths_of
from wherry.api.types.core import Pod, Service
from wherry.api.types.merge import MERGE
from wherry.machinery.errors import BadRequest, Conflict
from wherry.machinery.fields import ANY, StructTypes, TypeInfo, paths
from wherry.machinery.meta import ManagedFieldsEntry
from wherry.machinery.patch.apply import Applied, apply
from wherry.machinery.patch.managed import Entries, Writer, after_update
from wherry.machinery.patch.merge import merge_typed
from wherry.machinery.time import time_at

TYPES = StructTypes(MERGE)
POD = TYPES(Pod)


def writer(manager: str, at: int = 0) -> Writer:
    return Writer(manager, "v1", time_at(at))


def config(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **parts}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return config(spec={**({"containers": list(containers)} if containers else {}), **spec})


def put(
    live: Applied | None,
    wanted: dict[str, Any],
    manager: str,
    at: int = 0,
    *,
    force: bool = False,
    info: TypeInfo = POD,
) -> Applied:
    obj, entries = live or (None, ())
    return apply(info, obj, wanted, entries, writer(manager, at), force=force)


def test_create_and_nothing_new() -> None:
    wanted = pod({"name": "web", "image": "a"}, nodeName="n")
    first = put(None, wanted, "me", 1)
    assert first.obj == wanted
    (entry,) = first.entries
    assert (entry.manager, entry.operation, entry.time) == ("me", "Apply", time_at(1))
    assert entry.fields_v1 == {
        "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}, "f:nodeName": {}}
    }
    again = put(first, wanted, "me", 9)
    assert again.obj is first.obj
    assert again.entries is first.entries


def test_left_out_is_removed_unless_somebody_else_owns_it() -> None:
    first = put(None, pod({"name": "web", "image": "a", "command": ["x"]}, nodeName="n"), "me")
    both = put(first, config(spec={"nodeName": "n"}), "other")
    less = put(both, pod({"name": "web", "image": "a"}), "me", 5)
    assert less.obj["spec"] == {"containers": [{"name": "web", "image": "a"}], "nodeName": "n"}
    gone = put(less, config(), "me")
    assert gone.obj["spec"] == {"nodeName": "n"}
    assert [entry.manager for entry in gone.entries] == ["other"]


def test_what_nobody_owns_outlives_its_neighbours() -> None:
    first = put(None, pod(dnsConfig={"searches": ["a"]}), "me")
    defaulted = Applied(pod(dnsConfig={"searches": ["a"], "options": [{"name": "x"}]}), first.entries)
    shared = put(defaulted, config(spec={"dnsConfig": {"nameservers": ["n"]}}), "other")
    left = put(shared, config(), "me")
    assert left.obj["spec"]["dnsConfig"] == {"options": [{"name": "x"}], "nameservers": ["n"]}
    assert "dnsConfig" not in put(defaulted, config(spec={"nodeName": "n"}), "me").obj["spec"]


def test_conflicts_name_managers_and_fields() -> None:
    live = put(None, pod({"name": "web", "image": "a"}, nodeName="n"), "first")
    with pytest.raises(Conflict) as caught:
        put(live, pod({"name": "web", "image": "b"}), "second")
    status = caught.value.status()
    field = '.spec.containers[name="web"].image'
    assert status["message"] == f'Apply failed with 1 conflict: conflict with "first": {field}'
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": field}]
    }
    with pytest.raises(Conflict) as caught:
        put(live, pod({"name": "web", "image": "b"}, nodeName="m"), "second")
    assert str(caught.value) == (f'Apply failed with 2 conflicts: conflicts with "first":\n- {field}\n- .spec.nodeName')


def test_conflicts_with_plain_writes_name_the_version() -> None:
    live = pod(nodeName="n")
    entries = after_update(POD, None, live, (), writer("kubelet"))
    with pytest.raises(Conflict, match=r'conflict with "kubelet" using v1: \.spec\.nodeName'):
        apply(POD, live, pod(nodeName="m"), entries, writer("me"))


def test_force_takes_over() -> None:
    live = put(None, pod(nodeName="n", hostNetwork=True), "first")
    taken = put(live, pod(nodeName="m"), "second", 5, force=True)
    assert taken.obj["spec"] == {"nodeName": "m", "hostNetwork": True}
    owners = {entry.manager: entry.fields_v1 for entry in taken.entries}
    assert owners == {"first": {"f:spec": {"f:hostNetwork": {}}}, "second": {"f:spec": {"f:nodeName": {}}}}


def test_the_same_value_is_shared() -> None:
    live = put(None, pod(nodeName="n"), "first")
    shared = put(live, pod(nodeName="n"), "second", 3)
    assert shared.obj is live.obj
    assert [entry.manager for entry in shared.entries] == ["first", "second"]
    left = put(shared, config(), "first")
    assert left.obj["spec"] == {"nodeName": "n"}


def test_ports_without_protocol_are_tcp() -> None:
    ports = [{"containerPort": 80, "protocol": "TCP", "name": "old"}, {"containerPort": 80, "protocol": "UDP"}]
    live = put(None, pod({"name": "web", "ports": ports}), "first")
    named = put(live, pod({"name": "web", "ports": [{"containerPort": 80, "name": "new"}]}), "first")
    assert named.obj["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "name": "new"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    (entry,) = put(None, service, "me", info=TYPES(Service)).entries
    assert list(entry.fields_v1["f:spec"]["f:ports"]) == ['k:{"port":80,"protocol":"TCP"}']


def test_items_keep_their_place() -> None:
    live = [{"name": name} for name in "abcd"]
    info = POD.fields["spec"].fields["containers"]

    def order(*wanted: str) -> str:
        merged = merge_typed(live, [{"name": name, "image": "x"} for name in wanted], info)
        return "".join(item["name"] for item in merged)

    assert order("b") == order("d") == order("a", "d") == "abcd"
    assert order("d", "a") == "bcda"
    assert order("x") == "abcdx"
    assert order("x", "c") == "abxcd"
    assert order("a", "x", "b") == "axbcd"


def test_sets_and_atomic_lists() -> None:
    live = put(None, {**config(), "metadata": {"name": "a", "finalizers": ["x/a"]}}, "first")
    both = put(live, {**config(), "metadata": {"name": "a", "finalizers": ["x/b"]}}, "second")
    assert both.obj["metadata"]["finalizers"] == ["x/a", "x/b"]
    assert put(both, config(), "first").obj["metadata"]["finalizers"] == ["x/b"]
    args = put(None, pod({"name": "web", "args": ["1", "2"]}), "me")
    assert put(args, pod({"name": "web", "args": ["3"]}), "me").obj["spec"]["containers"][0]["args"] == ["3"]


def test_objects_from_before_the_first_apply() -> None:
    live = pod(nodeName="n")
    with pytest.raises(Conflict, match='"before-first-apply" using v1'):
        apply(POD, live, pod(nodeName="m"), (), writer("me"))
    same = apply(POD, live, live, (), writer("me"))
    assert [entry.manager for entry in same.entries] == ["me", "before-first-apply"]


def test_status_is_not_owned_where_it_is_reset() -> None:
    by = Writer("me", "v1", time_at(0), ignored={"f:status": {}})
    wanted = {**pod(nodeName="n"), "status": {"phase": "Running"}}
    assert apply(POD, None, wanted, (), by).entries[0].fields_v1 == {"f:spec": {"f:nodeName": {}}}


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({**config(), "apiVersion": "v2"}, "Incorrect version specified in apply patch"),
        ({**config(), "metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
        (pod(nope=1), "typed patch object (/a; v1, Kind=Pod): .spec.nope: field not declared in schema"),
        (config(metadata=3), ".metadata: expected map, got 3"),
        (pod({"image": "x"}), ".spec.containers: associative list with keys has an element that omits key field"),
    ],
)
def test_refused(wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        put(None, wanted, "me")
    assert problem in str(caught.value)


def test_untyped_objects() -> None:
    first = put(None, config(spec={"a": {"b": 1}, "l": [1]}), "me", info=ANY)
    second = put(first, config(spec={"a": {"c": 2}}), "you", info=ANY)
    assert second.obj["spec"] == {"a": {"b": 1, "c": 2}, "l": [1]}
    assert put(second, config(), "me", info=ANY).obj["spec"] == {"a": {"c": 2}}


# --- model ------------------------------------------------------------------------------------------------------------

_WAYS = st.sampled_from(["apply", "force", "write", "default"])
STEPS = st.lists(st.tuples(_WAYS, st.sampled_from("pq"), objects(empty=False)), max_size=8)


def _owned_by(entries: Entries) -> dict[tuple[str, str], set[Path]]:
    return {(e.operation, e.manager): set(paths(e.fields_v1)) for e in entries}


def _within(path: Path, roots: set[Path]) -> bool:
    return any(path[:n] in roots for n in range(1, len(path) + 1))


def _structs(members: set[Path]) -> set[Path]:
    """With the struct fields that hold a member as members (nothing else named `f:` in SCHEMA holds any)."""
    above = {path[:n] for path in members for n in range(1, len(path))}
    return members | {path for path in above if path[-1].startswith("f:")}


def _expected(merged: set[Path], last: set[Path], managed: set[Path]) -> set[Path]:
    """What is left of the merged object's nodes, by the rules of structured-merge-diff on sets."""
    last, managed = _structs(last), _structs(managed)
    left = {path for path in merged if not _within(path, last)}
    doomed = {path for path in merged if path not in left | managed}
    spared = {path for path in merged if not _within(path, doomed)}
    gone = (merged - spared) & last
    return {path for path in merged if not _within(path, gone)}


@given(STEPS)
def test_against_sets_of_paths(steps: list[tuple[str, str, dict[str, Any]]]) -> None:
    live: dict[str, Any] = {}
    entries: Entries = ()
    for at, (how, manager, wanted) in enumerate(steps):
        by = Writer(manager, "v1", time_at(at))
        if how == "write":
            entries = after_update(SCHEMA, live if entries else None, wanted, entries, by)
            live = wanted
        elif how == "default":
            live = merge_typed(wanted, live, SCHEMA) if entries else live  # adds what nobody owns
        else:
            live, entries = _apply_and_check(live, wanted, entries, by, force=how == "force")
        everything = flat(live, SCHEMA)
        for owned in _owned_by(entries).values():
            assert owned <= everything.keys()


def _apply_and_check(
    live: dict[str, Any], wanted: dict[str, Any], entries: Entries, by: Writer, *, force: bool
) -> tuple[dict[str, Any], Entries]:
    wanted = {"apiVersion": "v1", **wanted}
    exists = live if entries else None
    before, mine = flat(live if entries else {}, SCHEMA), paths_of(wanted, SCHEMA)
    owners = _owned_by(entries)
    last = owners.pop(("Apply", by.manager), set())
    merged = {**before, **flat(wanted, SCHEMA)}
    others: set[Path] = set().union(*owners.values()) if owners else set()
    left = _expected(set(merged), last, mine | others) if last else set(merged)
    after = {path: value for path, value in merged.items() if path in left}
    conflicts = {path for path in others if after.get(path, before.get(path)) != before.get(path)}
    if conflicts and not force:
        with pytest.raises(Conflict) as refused:
            apply(SCHEMA, exists, wanted, entries, by)
        assert len({cause.field for cause in refused.value.causes}) == len(conflicts)
        return live, entries
    done = apply(SCHEMA, exists, wanted, entries, by, force=force)
    found = flat(done.obj, SCHEMA)
    emptied = {path for path, value in after.items() if value == "node" and path not in found}
    assert {**found, **dict.fromkeys(emptied, "node")} == after
    assert all(not any(p != path and p[: len(path)] == path and p not in emptied for p in after) for path in emptied)
    assert _owned_by(done.entries).get(("Apply", by.manager), set()) == mine - {("f:apiVersion",)}
    if done.entries:  # else the next apply would be the first
        assert apply(SCHEMA, done.obj, wanted, done.entries, by) == done
    return done.obj, done.entries


def test_entries_are_never_changed_in_place() -> None:
    entry = ManagedFieldsEntry(
        manager="a", operation="Update", api_version="v1", fields_type="FieldsV1", fields_v1={"f:spec": {"f:x": {}}}
    )
    after_update(ANY, {"spec": {"x": 1}}, {"spec": {"x": 2}}, (entry,), writer("b"))
    assert entry.fields_v1 == {"f:spec": {"f:x": {}}}
