"""JSON, merge and strategic merge patches: golden pairs, limits, and that nothing passed in is changed."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.field_model import SCHEMA, objects
from wherry.api.types.apps import Deployment
from wherry.api.types.core import ConfigMap, Pod, Service
from wherry.api.types.merge import MERGE
from wherry.machinery.errors import APIError, BadRequest, Invalid, TooLarge
from wherry.machinery.fields import StructTypes
from wherry.machinery.patch.json import json_patch
from wherry.machinery.patch.merge import merge_patch
from wherry.machinery.patch.parents import with_parents
from wherry.machinery.patch.strategic import strategic_merge

GOLDEN = Path(__file__).parents[2] / "golden" / "patch"
TYPES = StructTypes(MERGE)
KINDS = {"Pod": Pod, "Deployment": Deployment, "Service": Service, "ConfigMap": ConfigMap}


def cases(file: str) -> list[Any]:
    read: list[dict[str, Any]] = yaml.safe_load((GOLDEN / file).read_text())
    return [pytest.param(case, id=str(case.get("name", number))) for number, case in enumerate(read)]


@pytest.mark.parametrize("case", cases("strategic.yaml"))
def test_strategic(case: dict[str, Any]) -> None:
    info, before = TYPES(KINDS[case["type"]]), copy.deepcopy(case)
    if "error" in case:
        with pytest.raises(BadRequest) as caught:
            strategic_merge(case["live"], case["patch"], info)
        assert case["error"] in str(caught.value)
    else:
        assert strategic_merge(case["live"], case["patch"], info) == case["result"]
    assert case == before


@pytest.mark.parametrize("case", cases("merge.yaml"))
def test_merge(case: dict[str, Any]) -> None:
    before = copy.deepcopy(case)
    assert merge_patch(case["live"], case["patch"]) == case["result"]
    assert case == before


@pytest.mark.parametrize("case", cases("json.yaml"))
def test_json(case: dict[str, Any]) -> None:
    before = copy.deepcopy(case)
    if "error" in case:
        with pytest.raises(APIError) as caught:
            json_patch(case["live"], case["patch"])
        assert case["error"] in str(caught.value)
        assert caught.value.code in (400, 422)
    else:
        assert json_patch(case["live"], case["patch"]) == case["result"]
    assert case == before


def test_copies_may_not_explode() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(60)]
    with pytest.raises(TooLarge, match="exceeding the limit 3145728"):
        json_patch({"a": ["x" * 100]}, doubling)


def test_too_many_operations() -> None:
    with pytest.raises(TooLarge, match="maximum operations in a JSON patch is 10000, got 10001"):
        json_patch({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)


def test_a_copy_is_not_shared() -> None:
    patch = [
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/a/x", "value": 2},
        {"op": "add", "path": "/b/x", "value": 3},
    ]
    assert json_patch({"a": {"x": 1}}, patch) == {"a": {"x": 2}, "b": {"x": 3}}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab/~", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("ab/~-0", max_size=2), below, max_size=3),
    max_leaves=8,
)
_POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "~0", "~1", ""]), max_size=3).map(
    lambda tokens: "".join(f"/{token}" for token in tokens)
)
_OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": _POINTERS},
        optional={"value": _JSON, "from": _POINTERS},
    ),
    max_size=5,
)


@given(_JSON, _OPERATIONS)
def test_any_json_patch_works_or_is_refused(document: Any, operations: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(document)
    with contextlib.suppress(BadRequest, Invalid, TooLarge):
        json_patch(document, operations)
    assert document == before


@given(_JSON, _JSON)
def test_any_merge_patch_leaves_its_input(document: Any, patch: Any) -> None:
    before = copy.deepcopy((document, patch))
    merge_patch(document, patch)
    assert (document, patch) == before


@given(objects(), _JSON)
def test_any_strategic_patch_works_or_is_refused(document: dict[str, Any], patch: Any) -> None:
    before = copy.deepcopy((document, patch))
    with contextlib.suppress(BadRequest):
        strategic_merge(document, patch, SCHEMA)
    assert (document, patch) == before


def test_empty_structs_are_there_for_a_json_patch() -> None:
    """Go writes them; nothing else is made up."""
    operations = [{"op": "add", "path": "/status/loadBalancer/ingress", "value": []}, {"op": "add", "path": "/x/y"}, 3]
    assert with_parents(Service, {"metadata": {}}, operations) == {"metadata": {}, "status": {"loadBalancer": {}}}
    assert with_parents(Service, {"status": 1}, operations) == {"status": 1}
    assert with_parents(Service, {}, {"path": "/status/a"}) == {}
