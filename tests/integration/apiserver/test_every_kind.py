"""Every served kind, with minimal and with random contents: stored or refused, never a 500."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http
from wherry.api.registry import RESOURCES
from wherry.apiserver.shapes import Shape, shape_of
from wherry.machinery.resource import Resource

pytestmark = pytest.mark.looptime(False)

TEXTS = (
    "",
    "a",
    "A b",
    "10",
    "1Gi",
    "-1",
    "50%",
    "1.2.3.4",
    "None",
    "TCP",
    "/x",
    "é",
    "a/b",
    "x" * 300,
    "2020-01-01T00:00:00Z",
)
NUMBERS = (0, 1, -1, 80, 70000, 2**31, 2**63 - 1, -(2**63), 1.5)
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z")


def path_of(resource: Resource[Any]) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/demo/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def contents(shape: Shape, source: random.Random, depth: int = 0) -> Any:  # noqa: PLR0911 - one per form
    """Random JSON of a shape, well-typed for the most part."""
    if source.random() < 0.01:
        return source.choice([None, "x", 5, [], {}, True])
    match shape.form:
        case "struct":
            chance = 0.5 / (1 + depth / 3)
            return {
                name: contents(inner, source, depth + 1)
                for name, inner in shape.fields.items()
                if name not in ("kind", "apiVersion")
                and (name in ("name", "metadata", "spec") or source.random() < chance)
            }
        case "list":
            assert shape.item is not None
            return [contents(shape.item, source, depth + 1) for _ in range(source.randrange(3))]
        case "map":
            assert shape.item is not None
            return {source.choice(TEXTS): contents(shape.item, source, depth + 1) for _ in range(source.randrange(3))}
        case "int":
            return source.choice(NUMBERS)
        case _ if shape.go == "bool":
            return source.random() < 0.5
        case _ if shape.go == "float64":
            return source.choice(NUMBERS)
        case _:
            return source.choice(TEXTS + TIMES)


def storable(resource: Resource[Any]) -> bool:
    return "create" in resource.verbs and "get" in resource.verbs


@pytest.mark.parametrize("resource", [r for r in RESOURCES if storable(r)], ids=str)
async def test_random_contents_never_break_a_kind(http: Http, resource: Resource[Any]) -> None:
    base = path_of(resource)
    shape = shape_of(resource.type)
    codes: list[int] = []

    async def one(number: int) -> None:
        source = random.Random(f"{resource}/{number}")

        def body_of() -> dict[str, Any]:
            found = contents(shape, source)
            return {**(found if isinstance(found, dict) else {}), "metadata": {"name": f"a{number}"}}

        body = body_of()
        answer = await http("POST", base, body)
        codes.append(answer.code)
        assert answer.code < 500, (answer.body, body)
        if answer.code == 201:
            put = await http("PUT", f"{base}/a{number}", body_of())
            assert put.code < 500, put.body
            table = await http("GET", base, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
            assert table.code == 200, table.body
            if resource.has_status:
                status = {"metadata": {"name": f"a{number}"}, "status": contents(shape.fields["status"], source)}
                written = await http("PUT", f"{base}/a{number}/status", status)
                assert written.code < 500, written.body
                table = await http("GET", base, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
                assert table.code == 200, table.body

    await asyncio.gather(*(one(n) for n in range(15)))
    minimal = await http("POST", base, {"metadata": {"name": "minimal"}})
    assert minimal.code in (201, 422, 403, 409), minimal.body


@pytest.mark.parametrize("resource", [r for r in RESOURCES if "list" in r.verbs], ids=str)
async def test_every_kind_is_listed_and_shown_as_a_table(http: Http, resource: Resource[Any]) -> None:
    base = path_of(resource)
    assert (await http("GET", base)).body["kind"] == f"{resource.kind}List"
    table = await http("GET", base, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    names = [column["name"] for column in table.body["columnDefinitions"]]
    assert "Name" in names
