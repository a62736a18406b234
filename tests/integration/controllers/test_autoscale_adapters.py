"""Deployments that grow and shrink by what an adapter says: Pods, Object and External metrics, through APIServices."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.controllers.test_whole import stand_in, until
from tests.support.adapter import CUSTOM, EXTERNAL, Adapter, Broken, adapter
from tests.support.apiserver import Authority, Running, running_apiserver
from wherry.aio.clock import SystemClock
from wherry.apiserver import inside
from wherry.apiserver.authn.user import known, service_account_user
from wherry.client.interface import Client
from wherry.controllers import deployment, horizontalpodautoscaler, replicaset
from wherry.controllers.accounts import account_of
from wherry.controllers.settings import Settings
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)
SHOP = "/api/v1/namespaces/demo"
SCALERS = "/apis/autoscaling/v2/namespaces/demo/horizontalpodautoscalers"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
ROUTE = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "shop"}
HITS, MAIL = "ingresses.networking.k8s.io/shop/hits", {"queue": "mail"}
PODS = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"}}}
OBJECT = {
    "type": "Object",
    "object": {"describedObject": ROUTE, "metric": {"name": "hits"}, "target": {"type": "Value", "value": "10"}},
}
OUTSIDE = {
    "type": "External",
    "external": {
        "metric": {"name": "waiting", "selector": {"matchLabels": MAIL}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}
DOWN = "unable to fetch metrics from custom metrics API: the server is currently unable to handle the request"
READER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"


def acting(running: Running, controller: str) -> Client:
    return running.client(service_account_user("kube-system", account_of(controller), "", {}))


@dataclass
class Shop:
    """A cluster with an adapter."""

    http: Http
    adapter: Adapter

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http(method, path, body)
        assert answer.code < 300, answer.body
        return answer.body

    async def register(self, *versions: str) -> None:
        """Both APIs, the custom one in these versions, the first preferred; wait until they are available."""
        ca = base64.b64encode((self.http.running.folder / "adapter" / "ca.crt").read_bytes()).decode()
        named = [(CUSTOM, version, 200 - n) for n, version in enumerate(versions)] + [(EXTERNAL, "v1beta1", 100)]
        for group, version, priority in named:
            body = {
                "metadata": {"name": f"{version}.{group}"},
                "spec": {
                    "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": priority,
                    "service": {"namespace": "demo", "name": "adapter", "port": self.adapter.port}, "caBundle": ca,
                },
            }  # fmt: skip
            await self.ask("POST", SERVICES, body)
        for group, version, _ in named:
            await until(partial(self._available, f"{version}.{group}"))

    async def _available(self, name: str) -> bool:
        found = (await self.ask("GET", f"{SERVICES}/{name}"))["status"].get("conditions", ())
        return any((one["type"], one["status"]) == ("Available", "True") for one in found)

    async def scaled(self, name: str, *metrics: dict[str, Any]) -> None:
        """A Deployment of one pod with an autoscaler."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        await self.ask("POST", DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec})
        await self.sized(name, 1, ready=True)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        down = {"scaleDown": {"stabilizationWindowSeconds": 0}}
        spec = {"scaleTargetRef": target, "maxReplicas": 5, "metrics": list(metrics), "behavior": down}
        await self.ask("POST", SCALERS, {"metadata": {"name": name}, "spec": spec})

    async def sized(self, name: str, replicas: int, *, ready: bool = False) -> None:
        """Wait until a Deployment is to have so many pods, or has them ready."""

        async def holds() -> bool:
            found = await self.ask("GET", f"{DEPLOYMENTS}/{name}")
            have = found["status"].get("readyReplicas", 0) if ready else found["spec"]["replicas"]
            return bool(have == replicas)

        try:
            await until(holds, 30)
        except TimeoutError:
            raise AssertionError(await self.ask("GET", f"{SCALERS}/{name}")) from None

    async def active(self, name: str, reason: str) -> dict[str, Any]:
        """Wait until ScalingActive has this reason; the condition."""
        found: list[dict[str, Any]] = []

        async def holds() -> bool:
            listed = (await self.ask("GET", f"{SCALERS}/{name}"))["status"].get("conditions", ())
            found[:] = [one for one in listed if (one["type"], one["reason"]) == ("ScalingActive", reason)]
            return bool(found)

        try:
            await until(holds, 30)
        except TimeoutError:
            raise AssertionError(await self.ask("GET", f"{SCALERS}/{name}")) from None
        return found[0]

    async def told(self, name: str, reason: str) -> str:
        """Wait for an event about an autoscaler; its message."""
        found: list[str] = []

        async def holds() -> bool:
            listed = (await self.ask("GET", f"{SHOP}/events"))["items"]
            found[:] = [
                one["message"] for one in listed if one["involvedObject"]["name"] == name and one["reason"] == reason
            ]
            return bool(found)

        await until(holds)
        return found[0]


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """Looks come often, so that a test takes seconds."""
    monkeypatch.setattr(horizontalpodautoscaler, "PERIOD", 0.1)
    made = (deployment.CONTROLLER, replicaset.CONTROLLER, horizontalpodautoscaler.controller(Settings()))
    async with running_apiserver(tmp_path) as running:
        connector = aiohttp.TCPConnector(ssl=running.tls())
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            http, manager = Http(running, session), running.client(known("system:kube-controller-manager"))
            await http("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})
            await http("POST", f"{SHOP}/serviceaccounts", {"metadata": {"name": "default"}})
            service = {"metadata": {"name": "adapter"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
            await http("POST", f"{SHOP}/services", service)
            pair = Authority(tmp_path / "adapter").issue("adapter", server=True, hosts=("adapter.demo.svc",))
            front = tmp_path / "front-proxy" / "ca.crt"
            work = [
                group.create_task(run_controllers(manager, SystemClock(), made, None, partial(acting, running))),
                group.create_task(stand_in(running.client())),
            ]
            async with adapter(pair.certificate, pair.key, front, running.client().raw) as other:
                yield Shop(http, other)
            for task in work:
                task.cancel()


@pytest.mark.parametrize("versions", [("v1beta2", "v1beta1"), ("v1beta1",)])
async def test_each_source_scales_up_and_down(shop: Shop, versions: tuple[str, ...]) -> None:
    """(Fails when autoscalers read as anybody else than the account that the default roles are bound to.)"""
    await shop.register(*versions)
    shop.adapter.pods["hits"], shop.adapter.objects[HITS] = "10", "10"
    shop.adapter.outside["waiting"] = [(MAIL, "5"), (MAIL, "5"), ({"queue": "post"}, "900")]
    await asyncio.gather(*(shop.scaled(*one) for one in (("pods", PODS), ("object", OBJECT), ("outside", OUTSIDE))))
    for name in ("pods", "object", "outside"):
        await shop.active(name, "ValidMetricFound")
        await shop.sized(name, 1)
    shop.adapter.pods["hits"] = "25"
    await shop.sized("pods", 5)
    shop.adapter.objects[HITS] = "29"
    await shop.sized("object", 5)
    shop.adapter.outside["waiting"][0] = (MAIL, "17500m")
    await shop.sized("outside", 3)
    await asyncio.gather(shop.sized("pods", 5, ready=True), shop.sized("object", 5, ready=True))
    assert (await shop.told("pods", "SuccessfulRescale")).endswith("reason: pods metric hits above target")
    assert (await shop.told("object", "SuccessfulRescale")).endswith("reason: Ingress metric hits above target")
    shop.adapter.pods["hits"], shop.adapter.objects[HITS] = "4", "2"
    shop.adapter.outside["waiting"] = [(MAIL, "3")]
    await asyncio.gather(*(shop.sized(name, 1, ready=True) for name in ("pods", "object", "outside")))
    assert shop.adapter.readers == {READER}


async def test_what_an_adapter_cannot_say_stops_nothing_else(shop: Shop) -> None:
    """One of two APIs is down: who lives by the other goes on, who has both goes up, but never down; it comes back."""
    await shop.register("v1beta2")
    shop.adapter.pods["hits"], shop.adapter.objects[HITS] = "10", "10"
    shop.adapter.outside["waiting"] = [(MAIL, "10")]
    scalers = (("pods", PODS), ("object", OBJECT), ("outside", OUTSIDE), ("both", PODS, OUTSIDE))
    await asyncio.gather(*(shop.scaled(*one) for one in scalers))
    await asyncio.gather(*(shop.active(name, "ValidMetricFound") for name, *_ in scalers))
    shop.adapter.broken[CUSTOM] = "down"
    failed = await shop.active("pods", "FailedGetPodsMetric")
    said = f"unable to get metric hits: {DOWN} (get pods.custom.metrics.k8s.io *)"
    assert failed["message"] == f"the HPA was unable to compute the replica count: {said}"
    assert await shop.told("pods", "FailedGetPodsMetric") == said
    assert await shop.told("pods", "FailedComputeMetricsReplicas") == (
        f"invalid metrics (1 invalid out of 1), first error is: failed to get pods metric value: {said}"
    )
    said = f"{DOWN} (get ingresses.networking.k8s.io.custom.metrics.k8s.io shop)"
    said = f"unable to get metric hits on Ingress demo/shop: {said}"
    assert await shop.told("object", "FailedGetObjectMetric") == said
    assert (await shop.active("object", "FailedGetObjectMetric"))["status"] == "False"
    shop.adapter.outside["waiting"] = [(MAIL, "30")]
    await asyncio.gather(shop.sized("outside", 3), shop.sized("both", 3))
    assert await shop.told("both", "FailedGetPodsMetric")
    shop.adapter.outside["waiting"] = [(MAIL, "10")]
    await shop.sized("outside", 1)
    failed = await shop.active("both", "FailedGetPodsMetric")
    assert failed["status"] == "False"
    await shop.sized("both", 3)
    shop.adapter.pods["hits"] = "5"
    shop.adapter.broken.clear()
    await asyncio.gather(shop.sized("both", 2), shop.active("pods", "ValidMetricFound"))
    shop.adapter.broken[EXTERNAL] = "down"
    said = "unable to get external metric demo/waiting/&LabelSelector{MatchLabels:map[string]string{queue: mail,},"
    message = (await shop.active("outside", "FailedGetExternalMetric"))["message"]
    assert said in message
    assert message.endswith("unable to handle the request (get waiting.external.metrics.k8s.io)")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hangs", "the server was unable to return a response in the time allotted"),
        ("breaks off", "error trying to reach service: the other server broke off"),
        ("odd", "quantities must match the regular expression"),
    ],
)
async def test_an_adapter_that_answers_badly(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: Broken, said: str
) -> None:
    """It is told as any other failure, and keeps nobody waiting, however many wait for it."""
    await shop.register("v1beta2")
    shop.adapter.pods["hits"] = "10"
    shop.adapter.outside["waiting"] = [(MAIL, "10")]
    names = [f"pods{n}" for n in range(5)]
    await asyncio.gather(shop.scaled("outside", OUTSIDE), *(shop.scaled(name, PODS) for name in names))
    await asyncio.gather(*(shop.active(name, "ValidMetricFound") for name in names))
    shop.adapter.broken[CUSTOM] = how
    if how == "hangs":
        monkeypatch.setattr(inside, "READ_SECONDS", 0.5)
    shop.adapter.outside["waiting"] = [(MAIL, "30")]
    await shop.sized("outside", 3)
    for name in names:
        assert said in (await shop.active(name, "FailedGetPodsMetric"))["message"]
        await shop.sized(name, 1)
    assert "Traceback" not in caplog.text
    monkeypatch.setattr(inside, "READ_SECONDS", 10.0)
    shop.adapter.broken.clear()
    await asyncio.gather(*(shop.active(name, "ValidMetricFound") for name in names))
