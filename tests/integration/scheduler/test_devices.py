"""Pods that ask for devices, against the real API server: claims from templates, given on one node, given back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scheduler.test_scheduler import bound, cluster, join, says, until
from tests.support.nodes import node, pod
from wherry.aio.clock import SystemClock
from wherry.api.core.pod import POD
from wherry.api.core.pod_claims import FINALIZER
from wherry.api.resource.deviceclass import DEVICECLASS
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.resource.resourceclaimtemplate import RESOURCECLAIMTEMPLATE
from wherry.api.resource.resourceslice import RESOURCESLICE
from wherry.api.types.resource import DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice
from wherry.client.interface import Client
from wherry.controllers import resourceclaim
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)

DRIVER = "gpu.example.com"
SELECTOR = [{"cel": {"expression": f"device.attributes['{DRIVER}'].model == 'A1'"}}]


async def offer(client: Client, *models: str, on: str) -> None:
    """A class for model A1, and a node that has devices of these models."""
    devices = [{"name": f"gpu-{n}", "attributes": {"model": {"string": model}}} for n, model in enumerate(models)]
    spec = {
        "driver": DRIVER, "nodeName": on, "devices": devices,
        "pool": {"name": on, "generation": 1, "resourceSliceCount": 1},
    }  # fmt: skip
    await client.create(RESOURCESLICE, from_dict(ResourceSlice, {"metadata": {"name": on}, "spec": spec}))


def asking(name: str, **claim: str) -> Any:
    return pod(name, resourceClaims=[{"name": "gpu", **claim}])


async def prepared(client: Client) -> None:
    await client.create(
        DEVICECLASS, from_dict(DeviceClass, {"metadata": {"name": "a1"}, "spec": {"selectors": SELECTOR}})
    )
    request = {"name": "one", "exactly": {"deviceClassName": "a1"}}
    body = {"metadata": {"name": "t", "namespace": "default"}, "spec": {"spec": {"devices": {"requests": [request]}}}}
    await client.create(RESOURCECLAIMTEMPLATE, from_dict(ResourceClaimTemplate, body))
    for name in ("n1", "n2"):
        await join(client, node(name))
    await offer(client, "B2", on="n1")
    await offer(client, "B2", "A1", on="n2")


async def allocated(client: Client, holds: bool = True) -> ResourceClaim:  # what is waited for
    async with asyncio.timeout(5):
        async for event in client.watch(RESOURCECLAIM):
            if event.obj is not None and (event.obj.status.allocation is not None) == holds:
                return event.obj
    raise AssertionError


async def test_a_pod_goes_where_its_device_is_and_gives_it_back(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        task = asyncio.create_task(
            run_controllers(client, SystemClock(), (resourceclaim.PODS, resourceclaim.CLAIMS))
        )  # fmt: skip
        await prepared(client)
        await client.create(POD, asking("first", resourceClaimTemplateName="t"))
        assert await bound(client, "first") == "n2"
        claim = await allocated(client)
        assert claim.status.allocation is not None
        (result,) = claim.status.allocation.devices.results
        assert (result.request, result.driver, result.pool, result.device) == ("one", DRIVER, "n2", "gpu-1")
        assert [consumer.name for consumer in claim.status.reserved_for] == ["first"]
        assert FINALIZER in claim.metadata.finalizers
        await client.create(POD, asking("second", resourceClaimTemplateName="t"))
        waiting = await until(client, "second", lambda p: says("Unschedulable")(p) and "claims" in str(p.status))
        assert "2 cannot allocate all claims" in str(waiting.status)
        await client.delete(POD, Key("default", "first"), grace=0)
        await client.delete(RESOURCECLAIM, Key("default", claim.metadata.name))  # what the garbage collector does
        assert await bound(client, "second", 15) == "n2"
        task.cancel()


async def test_pods_share_a_claim_by_name(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await prepared(client)
        await client.create(POD, asking("early", resourceClaimName="shared"))
        told = await until(client, "early", says("Unschedulable"))
        assert 'resourceclaim "shared" not found' in str(told.status)
        request = {"name": "one", "exactly": {"deviceClassName": "a1"}}
        body = {"metadata": {"name": "shared", "namespace": "default"}, "spec": {"devices": {"requests": [request]}}}
        await client.create(RESOURCECLAIM, from_dict(ResourceClaim, body))
        assert await bound(client, "early") == "n2"
        await client.create(POD, asking("late", resourceClaimName="shared"))
        assert await bound(client, "late") == "n2"
        found = await client.get(RESOURCECLAIM, Key("default", "shared"))
        assert sorted(consumer.name for consumer in found.status.reserved_for) == ["early", "late"]
