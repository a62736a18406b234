"""Nobody draws traffic meant for others: external addresses, endpoints on the machine, pods of other namespaces.

CVE-2020-8554, CVE-2021-25737, CVE-2021-25740.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.integration.apiserver.test_access import RBAC, as_user

pytestmark = pytest.mark.looptime(False)

SERVICES = "/api/v1/namespaces/demo/services"
ENDPOINTS = "/api/v1/namespaces/demo/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
PORTS: dict[str, Any] = {"ports": [{"port": 80}]}
TAKEN = {**PORTS, "externalIPs": ["203.0.113.7"]}


def denied(answer: Answered) -> None:
    assert (answer.code, "Use of external IPs is denied by admission control" in answer.message) == (403, True)


async def test_no_way_of_writing_a_service_takes_an_external_address(http: Http) -> None:
    denied(await http("POST", SERVICES, {"metadata": {"name": "a"}, "spec": TAKEN}))
    assert (await http("POST", SERVICES, {"metadata": {"name": "a"}, "spec": PORTS})).code == 201
    stored = (await http("GET", f"{SERVICES}/a")).body
    denied(await http("PUT", f"{SERVICES}/a", {**stored, "spec": {**stored["spec"], **TAKEN}}))
    denied(await http("PATCH", f"{SERVICES}/a", {"spec": {"externalIPs": ["203.0.113.7"]}}, MERGE))
    operation = [{"op": "add", "path": "/spec/externalIPs", "value": ["203.0.113.7"]}]
    denied(await http("PATCH", f"{SERVICES}/a", operation, JSON_PATCH))
    applied = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": TAKEN}
    denied(await http("PATCH", f"{SERVICES}/a?fieldManager=x&force=true", applied, APPLY))
    through = await http("PATCH", f"{SERVICES}/a/status", {"spec": {"externalIPs": ["203.0.113.7"]}}, MERGE)
    assert "externalIPs" not in through.body["spec"]
    assert "externalIPs" not in (await http("GET", f"{SERVICES}/a")).body["spec"]


async def test_an_editor_does_not_say_where_the_load_balancer_is(http: Http) -> None:
    """status.loadBalancer is for controllers: not by the object itself, and not for whoever may edit Services."""
    balanced = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
    made = await http(
        "POST", SERVICES, {"metadata": {"name": "a"}, "spec": {**PORTS, "type": "LoadBalancer"}, **balanced}
    )
    assert made.body["status"] == {"loadBalancer": {}}
    changed = await http("PATCH", f"{SERVICES}/a", balanced, MERGE)
    assert changed.body["status"] == {"loadBalancer": {}}
    await edits(http, "eve")
    async with as_user(http, "eve") as eve:
        assert (await eve("PATCH", f"{SERVICES}/a", {"metadata": {"labels": {"x": "y"}}}, MERGE)).code == 200
        assert (await eve("PATCH", f"{SERVICES}/a/status", balanced, MERGE)).code == 403
        assert (await eve("PUT", f"{SERVICES}/a/status", {**made.body, **balanced})).code == 403


async def edits(http: Http, user: str, role: str = "edit") -> None:
    """Give somebody a default role in `demo`."""
    body = {
        "metadata": {"name": f"{user}-{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    }
    assert (await http("POST", f"{RBAC}/namespaces/demo/rolebindings", body)).code == 201


@pytest.mark.parametrize("role", ["edit", "admin"])
async def test_default_roles_write_no_endpoints(http: Http, role: str) -> None:
    await edits(http, "eve", role)
    async with as_user(http, "eve") as eve:
        assert (await eve("POST", ENDPOINTS, {"metadata": {"name": "a"}})).code == 403
        assert (await eve("POST", SLICES, sliced("10.0.0.1"))).code == 403


def sliced(*addresses: str, kind: str = "IPv4", name: str = "s") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "a"}}, "addressType": kind,
        "endpoints": [{"addresses": list(addresses)}], "ports": [{"port": 80}],
    }  # fmt: skip


def listed(address: str, word: str = "addresses") -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "subsets": [{word: [{"ip": address}], "ports": [{"port": 80}]}]}


FORBIDDEN = (
    "127.0.0.1", "127.1.2.3", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::",
    "::ffff:127.0.0.1", "0127.0.0.1", "2130706433", "localhost",
)  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_endpoints_are_never_on_the_machine_itself(http: Http, address: str) -> None:
    kind = "IPv6" if ":" in address else "IPv4"
    refused = [await http("POST", SLICES, sliced(address, kind=kind))]
    refused += [await http("POST", ENDPOINTS, listed(address, word)) for word in ("addresses", "notReadyAddresses")]
    assert (await http("POST", SLICES, sliced("10.0.0.1", name="good"))).code == 201
    if kind == "IPv4":
        refused.append(await http("PATCH", f"{SLICES}/good", {"endpoints": [{"addresses": [address]}]}, MERGE))
    for answer in refused:
        assert answer.code == 422
        assert any("ddresses[0]" in cause["field"] for cause in answer.body["details"]["causes"])
    assert (await http("GET", ENDPOINTS)).body["items"] == []


async def pod(http: Http, namespace: str, name: str, address: str, phase: str = "Running", **spec: Any) -> None:
    """A pod that its agent says has this address."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    containers = [{"name": "c", "image": "i"}]
    assert (
        await http("POST", pods, {"metadata": {"name": name}, "spec": {"containers": containers, **spec}})
    ).code == 201
    status = {"status": {"podIP": address, "podIPs": [{"ip": address}], "phase": phase}}
    assert (await http("PATCH", f"{pods}/{name}/status", status, MERGE)).code == 200


@pytest.fixture
async def other(http: Http) -> Http:
    """Namespace `other` with a pod, one that is over, and one on the host network; a pod in `demo`."""
    assert (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})).code == 201
    await http("POST", "/api/v1/namespaces/other/serviceaccounts", {"metadata": {"name": "default"}})
    await pod(http, "other", "p", "10.244.0.9")
    await pod(http, "other", "over", "10.244.0.8", "Succeeded")
    await pod(http, "other", "host", "192.0.2.1", hostNetwork=True)
    await pod(http, "demo", "mine", "10.244.0.7")
    return http


async def test_endpoints_lead_to_no_pod_of_another_namespace(other: Http) -> None:
    """Nor by any way of changing them; one's own pods, nodes and machines outside may be named."""
    wrong = "10.244.0.9 is the address of a pod in another namespace"
    assert (await other("POST", SLICES, sliced("10.244.0.7", "192.0.2.1", "203.0.113.7", "10.244.0.8"))).code == 201
    assert (await other("POST", ENDPOINTS, listed("10.244.0.7"))).code == 201
    moved = [{"op": "replace", "path": "/subsets/0/addresses/0/ip", "value": "10.244.0.9"}]
    applied = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **sliced("10.244.0.9", name="t")}
    for answer in (
        await other("POST", SLICES, sliced("10.244.0.9", name="t")),
        await other("PATCH", f"{SLICES}/s", {"endpoints": [{"addresses": ["10.244.0.9"]}]}, MERGE),
        await other("PATCH", f"{SLICES}/t?fieldManager=x", applied, APPLY),
        await other("PATCH", f"{ENDPOINTS}/a", moved, JSON_PATCH),
        await other("PUT", f"{ENDPOINTS}/a", listed("10.244.0.9", "notReadyAddresses")),
    ):
        assert (answer.code, wrong in answer.message) == (403, True), answer.body


async def test_what_was_there_before_may_stay(other: Http) -> None:
    assert (await other("POST", SLICES, sliced("10.244.0.10"))).code == 201
    await pod(other, "other", "later", "10.244.0.10")
    changed = await other("PATCH", f"{SLICES}/s", {"metadata": {"labels": {"x": "y"}}}, MERGE)
    assert changed.code == 200


async def test_controllers_are_not_asked(other: Http) -> None:
    """Of the server itself, that is: they write what Services select."""
    from wherry.api.discovery.endpointslice import ENDPOINTSLICE
    from wherry.api.types.discovery import EndpointSlice
    from wherry.machinery import codec

    body = {**sliced("10.244.0.9"), "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
    body["metadata"]["namespace"] = "demo"
    made = await other.running.client().create(ENDPOINTSLICE, codec.from_dict(EndpointSlice, body))
    assert made.metadata.uid
