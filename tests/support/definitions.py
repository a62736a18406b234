"""CustomResourceDefinitions for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Send = Callable[..., Awaitable[Any]]


def version(name: str = "v1", schema: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One version, served and stored unless told otherwise; without a schema, everything is kept."""
    shape = {"type": "object", "x-kubernetes-preserve-unknown-fields": True} if schema is None else dict(schema)
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": shape}, **more}


def definition(
    *versions: Mapping[str, Any], kind: str = "Foo", group: str = "example.com", scope: str = "Namespaced", **more: Any
) -> dict[str, Any]:
    """A definition of `foos.example.com`."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": list(versions) or [version()],
            **more,
        },
    }


def spec_of(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of an object whose spec has these properties; `more` says more about spec."""
    spec = {"type": "object", "properties": dict(properties), **more}
    return {"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {
        "replicas": {"type": "integer"}, "selector": {"type": "string"}}}}}  # fmt: skip


def foo(name: str = "a", version: str = "v1", **fields: Any) -> dict[str, Any]:
    """An instance."""
    return {"apiVersion": f"example.com/{version}", "kind": "Foo", "metadata": {"name": name}, **fields}


def foos(name: str = "", version: str = "v1", namespace: str = "default") -> str:
    """The path of instances, or of one."""
    root = f"/apis/example.com/{version}/namespaces/{namespace}/foos"
    return f"{root}/{name}" if name else root


async def defined(send: Send, crd: Mapping[str, Any]) -> Any:
    """Create a definition and wait until it is established; gives it back."""
    made = await send("POST", PATH, crd)
    assert made.code == 201, made.body
    return await until(send, crd["metadata"]["name"], established)


def condition(crd: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of a definition, or nothing."""
    found: Sequence[Mapping[str, Any]] = crd.get("status", {}).get("conditions") or ()
    return next((c for c in found if c["type"] == kind), {})


def established(crd: Mapping[str, Any]) -> bool:
    """Whether it is served."""
    return condition(crd, "Established").get("status") == "True"


async def until(send: Send, name: str, holds: Callable[[Any], bool]) -> Any:
    """Wait until something holds of a definition."""
    async with asyncio.timeout(5):
        while True:
            found = await send("GET", f"{PATH}/{name}")
            if found.code == 200 and holds(found.body):
                return found.body
            await asyncio.sleep(0.01)


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the answer is yes."""
    async with asyncio.timeout(5):
        while True:
            if await ask():
                return
            await asyncio.sleep(0.01)
