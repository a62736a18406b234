"""Service networks and addresses as objects, and what the allocator makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

SERVICES = "/api/v1/namespaces/demo/services"
NETWORKS = "/apis/networking.k8s.io/v1/servicecidrs"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"


def service(name: str, address: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}


async def test_the_configured_network_is_there(http: Http) -> None:
    found = await http("GET", f"{NETWORKS}/kubernetes")
    assert found.body["spec"]["cidrs"] == ["10.96.0.0/16"]


async def test_addresses_come_from_a_network_while_it_is_ready(http: Http) -> None:
    body: Any = {
        "metadata": {"name": "more", "finalizers": ["example.com/wait"]},
        "spec": {"cidrs": ["203.0.113.0/24"]},
    }
    assert (await http("POST", SERVICES, service("early", "203.0.113.9"))).code == 422
    body = (await http("POST", NETWORKS, body)).body
    assert (await http("POST", SERVICES, service("one", "203.0.113.10"))).code == 201
    body["status"] = {"conditions": [condition("False")]}
    assert (await http("PUT", f"{NETWORKS}/more/status", body)).code == 200
    assert (await http("POST", SERVICES, service("two", "203.0.113.11"))).code == 422
    body = (await http("GET", f"{NETWORKS}/more")).body
    body["status"] = {"conditions": [condition("True")]}
    assert (await http("PUT", f"{NETWORKS}/more/status", body)).code == 200
    assert (await http("POST", SERVICES, service("two", "203.0.113.11"))).code == 201
    await http("DELETE", f"{NETWORKS}/more")
    assert (await http("POST", SERVICES, service("three", "203.0.113.12"))).code == 422


def condition(status: str) -> dict[str, str]:
    return {
        "type": "Ready",
        "status": status,
        "reason": "Test",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


async def test_an_address_that_somebody_else_has_is_not_given(http: Http) -> None:
    body = {
        "metadata": {"name": "10.96.7.7"},
        "spec": {"parentRef": {"group": "g", "resource": "gateways", "name": "a"}},
    }
    assert (await http("POST", ADDRESSES, body)).code == 201
    refused = await http("POST", SERVICES, service("one", "10.96.7.7"))
    assert refused.code == 422
    assert "provided IP is already allocated" in refused.message
    assert (await http("DELETE", f"{ADDRESSES}/10.96.7.7")).code == 200
    assert (await http("POST", SERVICES, service("one", "10.96.7.7"))).code == 201


async def test_addresses_of_both_families_are_names(http: Http) -> None:
    body: Any = {"metadata": {"name": "fe80::42:1dff:fe84:f9e2"}, "spec": {"parentRef": {"resource": "r", "name": "a"}}}
    assert (await http("POST", ADDRESSES, body)).code == 201
    assert (await http("GET", f"{ADDRESSES}/fe80::42:1dff:fe84:f9e2")).code == 200
