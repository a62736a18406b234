"""Who owns what: changes against a flat reference model, managedFields after writes as kubectl users know them."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from tests.support.field_model import SCHEMA, flat, objects, paths_of
from wherry.api.types.apps import Deployment
from wherry.api.types.merge import MERGE
from wherry.machinery import codec
from wherry.machinery.errors import BadRequest
from wherry.machinery.fields import ANY, DOT, LEAF, FieldSet, StructTypes, TypeInfo, paths
from wherry.machinery.meta import ManagedFieldsEntry, ObjectMeta
from wherry.machinery.patch.managed import Entries, Writer, after_update, in_order, manager_name, sent_or_live
from wherry.machinery.patch.ownership import Mistyped, changes, grown, owned
from wherry.machinery.time import Time, time_at

TYPES = StructTypes(MERGE)


@given(objects(), objects())
def test_changes_are_those_of_the_flat_objects(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = flat(old, SCHEMA), flat(new, SCHEMA)
    gained, lost = changes(old, new, SCHEMA)
    assert set(paths(gained)) == {path for path, value in after.items() if before.get(path, "nothing") != value}
    assert set(paths(lost)) == before.keys() - after.keys()


@given(objects())
def test_applying_owns_leaves_items_and_entries(config: dict[str, Any]) -> None:
    assert set(paths(owned(config, SCHEMA, strict=True))) == paths_of(config, SCHEMA)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"nope": 1}, ".nope: field not declared in schema"),
        ({"items": [{"k": "a"}, {"k": "a"}]}, '.items: duplicate entries for key [k="a",p="TCP"]'),
        ({"bare": [{"v": 1}]}, '.bare: associative list with keys has an element that omits key field "k"'),
        ({"labels": 3}, ".labels: expected map, got 3"),
        ({"inner": {"deep": {}}}, ".inner.deep: expected scalar, got {}"),
        ({"tags": ["a", "a"]}, '.tags: duplicate entries for key [="a"]'),
    ],
)
def test_what_does_not_fit(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(Mistyped) as caught:
        owned(config, SCHEMA, strict=True)
    assert str(caught.value) == problem


def test_untyped_objects_merge_maps_and_replace_lists() -> None:
    gained, lost = changes({"a": {"b": [1], "c": 1}}, {"a": {"b": [2], "d": {"e": 1}}}, ANY)
    assert gained == {"f:a": {"f:b": {}, "f:d": {".": {}, "f:e": {}}}}
    assert lost == {"f:a": {"f:c": {}}}
    assert changes({"a": {"b": 1}}, {"a": 7}, ANY) == ({"f:a": {}}, {"f:a": {".": {}, "f:b": {}}})


def test_repeated_items_are_one() -> None:
    keyed = TypeInfo("struct", lambda: {"l": TypeInfo("list", item=ANY, list_type="map", list_keys=("k",))})
    one: dict[str, Any] = {"l": [{"k": 1, "v": 1}, {"k": 1, "v": 2}]}
    other: dict[str, Any] = {"l": [{"k": 1, "v": 1}, {"k": 1, "v": 3}]}
    assert changes(one, other, keyed)[0] == {"f:l": {'k:{"k":1}': {}}}
    assert changes(one, one, keyed) == ({}, {})


# --- plain writes -----------------------------------------------------------------------------------------------------

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "web"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "nginx",
                        "image": "nginx",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {},
                    },
                ],
                "dnsPolicy": "ClusterFirst",
            },
        },
    },
}
# What `kubectl create deployment` leaves behind on a real cluster, for these fields.
CREATED: FieldSet = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
        "f:template": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"nginx"}': {
                        ".": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            ".": {},
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {}, "f:containerPort": {}, "f:protocol": {},
                            },
                        },
                        "f:resources": {},
                    }
                },
                "f:dnsPolicy": {},
            },
        },
    },
}  # fmt: skip


def writer(manager: str, at: int = 0, subresource: str = "") -> Writer:
    return Writer(manager, "apps/v1", time_at(at), subresource)


def deployment(**spec: Any) -> Deployment:
    return codec.from_dict(Deployment, {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], **spec}})


def fields_of(entries: Entries, manager: str) -> FieldSet:
    (found,) = (entry.fields_v1 for entry in entries if entry.manager == manager)
    return dict(found)


def test_a_create_owns_what_it_wrote() -> None:
    for new in (deployment(), DEPLOYMENT):
        (entry,) = after_update(TYPES(Deployment), None, new, (), writer("kubectl-create"))
        assert entry.fields_v1 == CREATED
        assert (entry.operation, entry.fields_type, entry.api_version) == ("Update", "FieldsV1", "apps/v1")


def test_a_write_takes_what_it_changed() -> None:
    info, first = TYPES(Deployment), deployment()
    entries = after_update(info, None, first, (), writer("create"))
    scaled = after_update(info, first, deployment(replicas=3), entries, writer("scale", 5))
    assert fields_of(scaled, "scale") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields_of(scaled, "create")["f:spec"]
    assert [entry.manager for entry in scaled] == ["create", "scale"]
    assert after_update(info, first, deployment(), entries, writer("same", 9)) is entries


def test_versions_and_managed_fields_belong_to_nobody() -> None:
    info, first = TYPES(Deployment), deployment()
    entries = after_update(info, None, first, (), writer("create"))
    meta = msgspec.structs.replace(
        first.metadata, resource_version="7", generation=2, managed_fields=entries, uid="other"
    )
    assert after_update(info, first, msgspec.structs.replace(first, metadata=meta), entries, writer("x")) is entries


def test_removed_fields_have_no_owner() -> None:
    info = TYPES(Deployment)
    old = {"metadata": {}, "spec": {"replicas": 1, "paused": True}}
    entries = after_update(info, None, old, (), writer("a"))
    left = after_update(info, old, {"metadata": {}, "spec": {"replicas": 1}}, entries, writer("b", 9))
    assert [(e.manager, e.fields_v1, e.time) for e in left] == [("a", {"f:spec": {"f:replicas": {}}}, time_at(0))]


def test_a_managers_writes_add_up() -> None:
    info, old = TYPES(Deployment), {"spec": {"replicas": 1}}
    entries = after_update(info, None, old, (), writer("a"))
    more = after_update(info, old, {"spec": {"replicas": 1, "paused": True}}, entries, writer("a", 5))
    assert [(e.fields_v1, e.time) for e in more] == [({"f:spec": {"f:replicas": {}, "f:paused": {}}}, time_at(5))]
    status = after_update(info, {"spec": {}}, {"spec": {}, "status": {"replicas": 1}}, more, writer("a", 6, "status"))
    assert [e.subresource for e in status] == ["", "status"]


def test_untracked_objects_stay_untracked() -> None:
    assert after_update(TYPES(Deployment), deployment(), deployment(replicas=9), (), writer("x")) == ()


def test_bottomless_objects_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(BadRequest, match="nested too deeply"):
        after_update(ANY, None, {"spec": deep}, (), writer("a"))


def test_at_most_ten_updaters() -> None:
    info, old = TYPES(Deployment), {"metadata": {"labels": {"start": "x"}}}
    entries = after_update(info, None, old, (), writer("first"))
    for turn in range(14):
        new = {"metadata": {"labels": {**old["metadata"]["labels"], f"l{turn}": "x"}}}
        entries = after_update(info, old, new, entries, writer(f"m{turn:02}", turn + 1))
        old = new
    assert len(entries) == 10
    assert entries[0].manager == "ancient-changes"
    everything = {path for entry in entries for path in paths(entry.fields_v1)}
    assert len([path for path in everything if path[-1].startswith("f:l") and len(path) == 3]) == 14


def test_where_a_write_starts_from() -> None:
    one = ManagedFieldsEntry(manager="a", operation="Update", api_version="v1", fields_type="FieldsV1", fields_v1={})
    live = (one,)
    assert sent_or_live((), live) is live
    assert sent_or_live((ManagedFieldsEntry(),), live) == ()
    assert sent_or_live((ManagedFieldsEntry(operation="Other"),), live) is live
    assert sent_or_live(live[:1], (), "status") == ()
    keys: dict[str, Any] = {"f:a": {".": {}, 'k:{"name":"x"}': {}, "v:1": {}, "i:3": {}}}
    other = (changed(one, fields_v1=keys),)
    assert sent_or_live(other, live) is other
    unreadable: list[dict[str, Any]] = [
        {"f:a": "x"}, {"a": {}}, {"f:a": {"k:1": {}}}, {"v:x": {}}, {"i:x": {}}, {"q:1": {}}, {"f:a": []},
    ]  # fmt: skip
    for wrong in unreadable:
        assert sent_or_live((changed(one, fields_v1=wrong),), live) is live, wrong


def test_what_an_endpoint_puts_back_takes_nothing_from_others() -> None:
    info = TYPES(Deployment)
    old = {"metadata": {}, "spec": {"replicas": 1}, "status": {"replicas": 1, "readyReplicas": 1}}
    entries = after_update(info, None, old, (), dataclasses.replace(writer("controller"), subresource="status"))
    stale = {"metadata": {}, "spec": {"replicas": 1}, "status": {"replicas": 2}}
    ignoring = dataclasses.replace(writer("user"), ignored={"f:status": {}})
    assert after_update(info, old, stale, entries, ignoring) is entries
    assert manager_name("", "kubectl/v1.37 (linux)") == "kubectl"
    assert manager_name("me", "kubectl/v1") == "me"
    assert len(manager_name("x" * 300, "")) == 128
    assert Writer("m", "v1", Time("")).ignored == {}


def test_trees_are_sorted_whoever_made_them() -> None:
    info = TYPES(Deployment)
    made: dict[str, Any] = {
        "spec": {"replicas": 1}, "metadata": {"labels": {"b": "1", "a": "1"}, "annotations": {"x": "1"}}
    }  # fmt: skip
    entries = after_update(info, None, made, (), writer("m"))
    later = {**made, "metadata": {**made["metadata"], "labels": {"b": "1", "a": "1", "0": "1"}}}
    for (one,) in (entries, after_update(info, made, later, entries, writer("m"))):
        text = msgspec.json.encode(one.fields_v1)
        assert text == msgspec.json.encode(one.fields_v1, order="sorted")
        assert in_order(one.fields_v1) is one.fields_v1


def naive(value: Any, info: TypeInfo) -> FieldSet:
    """`grown`, written without anything kept."""
    if info.shape == "leaf" or not value:
        return LEAF
    if info.shape == "struct":
        return {DOT: LEAF, **{f"f:{name}": naive(below, info.child(name)) for name, below in value.items()}}
    return grown(value, info)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(("name", "uid", "namespace", "labels", "x")),
            st.sampled_from(("", "a", {}, {"k": "v"}, None)),
        ),
        max_size=4,
    )
)
def test_what_is_kept_of_types_is_as_if_made_anew(values: list[dict[str, Any]]) -> None:
    """Whatever was seen before. (Fails when a tree with something below a leaf's name is kept.)"""
    info = StructTypes({})(ObjectMeta)
    for value in values:
        assert grown(value, info) == naive(value, info)


TREES: st.SearchStrategy[FieldSet] = st.recursive(
    st.just({}), lambda below: st.dictionaries(st.sampled_from((".", "f:a", "f:b", "k:{}", "v:1")), below, max_size=4)
)


@given(TREES)
def test_order_changes_nothing_else(tree: FieldSet) -> None:
    """And what is in order is not made again."""
    ordered = in_order(tree)
    assert ordered == tree
    assert msgspec.json.encode(ordered) == msgspec.json.encode(tree, order="sorted")
    assert in_order(ordered) is ordered
