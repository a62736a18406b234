"""Field sets: tree arithmetic against plain sets of paths, and types from structs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wherry.api.types.apps import Deployment
from wherry.api.types.core import Pod
from wherry.api.types.merge import MERGE
from wherry.machinery.fields import (
    ANY,
    FieldSet,
    StructTypes,
    difference,
    intersection,
    overlaps,
    paths,
    show_path,
    union,
    without,
)

Path = tuple[str, ...]
PATHS = st.frozensets(st.lists(st.sampled_from(["f:a", "f:b", "v:1"]), min_size=1, max_size=3).map(tuple), max_size=8)


def tree_of(members: frozenset[Path]) -> FieldSet:
    """The canonical tree of a set of paths, built the slow way."""
    out: FieldSet = {}
    for first in {path[0] for path in members}:
        below = frozenset(path[1:] for path in members if path[0] == first and len(path) > 1)
        node = tree_of(below)
        out[first] = {".": {}, **node} if node and (first,) in members else node
    return out


def set_of(tree: FieldSet) -> frozenset[Path]:
    return frozenset(paths(tree))


@given(PATHS)
def test_a_tree_says_what_went_in(one: frozenset[Path]) -> None:
    assert set_of(tree_of(one)) == one


@given(PATHS, PATHS)
def test_arithmetic_is_that_of_sets(one: frozenset[Path], other: frozenset[Path]) -> None:
    left, right = tree_of(one), tree_of(other)
    assert union(left, right) == tree_of(one | other)
    assert difference(left, right) == tree_of(one - other)
    assert intersection(left, right) == tree_of(one & other)
    assert without(left, right) == tree_of(
        frozenset(path for path in one if not any(path[:n] in other for n in range(1, len(path) + 1)))
    )
    if one and other:
        assert overlaps(left, right) == bool(one & other)
    assert (left, right) == (tree_of(one), tree_of(other))


@given(PATHS)
def test_nothing_taken_is_the_same_object(one: frozenset[Path]) -> None:
    tree = tree_of(one)
    assert difference(tree, {"f:z": {}}) is tree


def test_paths_as_people_read_them() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"x"', "i:0")
    assert show_path(path) == '.spec.ports[containerPort=80,protocol="TCP"][="x"][0]'


def test_types_of_structs() -> None:
    types = StructTypes(MERGE)
    pod = types(Pod)
    assert types(Pod) is pod
    containers = pod.fields["spec"].fields["containers"]
    assert (containers.shape, containers.list_keys, containers.merge_key) == ("keyed", ("name",), "name")
    ports = containers.items.fields["ports"]
    assert dict(ports.key_defaults) == {"protocol": "TCP"}
    assert ports.merge_key == "containerPort"
    meta = pod.fields["metadata"]
    assert meta.always
    assert meta.fields["labels"].shape == "map"
    assert meta.fields["finalizers"].shape == "set"
    assert meta.fields["ownerReferences"].items.shape == "leaf"
    spec = types(Deployment).fields["spec"]
    assert spec.fields["selector"].shape == "leaf"
    assert spec.fields["template"].always
    assert not spec.fields["strategy"].fields["rollingUpdate"].always
    assert spec.fields["template"].fields["spec"].fields["nodeSelector"].shape == "leaf"
    assert pod.fields["spec"].fields["containers"].always
    assert pod.child("unknown") is ANY


def test_recursive_types_end() -> None:
    from wherry.api.types.apiextensions import CustomResourceDefinition

    schema = StructTypes(MERGE)(CustomResourceDefinition).fields["spec"].fields["versions"].items.fields["schema"]
    props = schema.fields["openAPIV3Schema"].fields["properties"].items
    assert props.fields["properties"].items.shape == "struct"
