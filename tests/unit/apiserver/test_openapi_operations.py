"""OpenAPI operations: paths, ids, tags, actions, kinds and parameters are upstream's, in both versions.

Upstream's are in tests/golden/openapi/operations.json (hack/generate_operations.py). (Fails when an id, or what
an operation takes, is called otherwise than clients that were generated from upstream's document call it.)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wherry.api import definitions
from wherry.api.registry import RESOURCES
from wherry.apiserver.openapi_documents import of_place, places, whole

Operations = dict[tuple[str, str], tuple[str, str, str, str, tuple[str, ...]]]
"""(path, method) -> (id, tag, action, kind, parameters)."""
GOLDEN = Path(__file__).parents[2] / "golden/openapi/operations.json"
NOT_SERVED = {
    "/apis/admissionregistration.k8s.io/v1alpha1/": "an alpha version",
    "/apis/admissionregistration.k8s.io/v1beta1/": "a beta version, off by default",
    "/apis/certificates.k8s.io/v1beta1/": "a beta version, off by default",
    "/apis/coordination.k8s.io/v1alpha2/": "an alpha version",
    "/apis/coordination.k8s.io/v1beta1/": "a beta version, off by default",
    "/apis/internal.apiserver.k8s.io/": "an alpha group",
    "/apis/lifecycle.k8s.io/": "an alpha group",
    "/apis/resource.k8s.io/v1alpha3/": "an alpha version",
    "/apis/resource.k8s.io/v1beta1/": "a beta version, off by default",
    "/apis/resource.k8s.io/v1beta2/": "a beta version, off by default",
    "/apis/scheduling.k8s.io/v1alpha3/": "an alpha version",
    "/apis/scheduling.k8s.io/v1beta1/": "a beta version, off by default",
    "/apis/storagemigration.k8s.io/v1beta1/": "a beta version, off by default",
    "/logs/": "files of the machine are not served",
}
"""What begins like this is upstream's alone, for this reason."""


def upstream() -> Operations:
    """Of what is served here too."""
    found = json.loads(GOLDEN.read_text())
    return {
        (path, method): (*facts, tuple(found["parameters"][number]))
        for path, item in found["paths"].items()
        for method, (*facts, number) in item.items()
        if not path.startswith(tuple(NOT_SERVED))
    }


def operations(document: dict[str, Any]) -> Operations:
    """Of a document of either version."""
    return {
        (path, method): (
            one["operationId"], one["tags"][0], one.get("x-kubernetes-action", ""),
            "/".join(one.get("x-kubernetes-group-version-kind", {}).values()),
            tuple(sorted(named(document, one, [*item.get("parameters", []), *one.get("parameters", [])]))),
        )
        for path, item in document["paths"].items()
        for method, one in item.items()
        if method != "parameters"
    }  # fmt: skip


def named(document: dict[str, Any], operation: dict[str, Any], parameters: list[dict[str, Any]]) -> list[str]:
    own = [document["parameters"][p["$ref"].split("/")[-1]] if "$ref" in p else p for p in parameters]
    written = [f"{p['in']} {p['name']} {p.get('type') or p.get('schema', {}).get('type', '')}".strip() for p in own]
    return written + (["body body"] if "requestBody" in operation else [])


@pytest.fixture(scope="module")
def second() -> dict[str, Any]:
    return whole(tuple(RESOURCES), definitions.load(), "v1.37.0")


@pytest.fixture(scope="module")
def third() -> dict[str, dict[str, Any]]:
    return {place: of_place(place, RESOURCES, definitions.load(), "v1.37.0") for place in places(RESOURCES)}


def test_version_2_has_the_operations_of_upstream(second: dict[str, Any]) -> None:
    ours, theirs = operations(second), upstream()
    assert {key: ours.get(key) for key in theirs} == theirs
    assert set(ours) == set(theirs)


def test_version_3_has_the_operations_of_upstream(third: dict[str, dict[str, Any]]) -> None:
    ours: Operations = {}
    for place, document in third.items():
        found = operations(document)
        assert all(path.startswith(f"/{place}/") for path, _ in found), place
        ours |= found
    assert ours == upstream()


def test_every_reason_is_of_something_that_upstream_has() -> None:
    paths = json.loads(GOLDEN.read_text())["paths"]
    assert [prefix for prefix in NOT_SERVED if not any(path.startswith(prefix) for path in paths)] == []


def test_ids_are_unique(second: dict[str, Any]) -> None:
    ids = [facts[0] for facts in operations(second).values()]
    assert len(ids) == len(set(ids))
