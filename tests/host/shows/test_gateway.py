"""The Gateway API in a real cluster: a Gateway and routes to real pods, TLS, another port, changes under load."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.host.shows.test_ingress import Clients, Site, pair, secret
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
Json = dict[str, Any]
GROUP = "gateway.networking.k8s.io"


def gateway(*listeners: Json) -> Json:
    spec = {"gatewayClassName": "wherry", "listeners": list(listeners)}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"name": "g"}, "spec": spec}


def listener(name: str, port: int, protocol: str = "HTTP", **more: Any) -> Json:
    return {"name": name, "port": port, "protocol": protocol, **more}


def route(name: str, host: str, *rules: Json) -> Json:
    spec = {"parentRefs": [{"name": "g"}], "hostnames": [host], "rules": list(rules)}
    return {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def rule(*backends: tuple[str, int], path: str = "/", **more: Any) -> Json:
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in backends]
    return {"matches": [{"path": {"value": path}}], "backendRefs": refs, **more}


@pytest.fixture
def site(cluster: Cluster, namespace: str) -> Iterator[Site]:
    """The entry, with a namespace of its own."""
    made = Site(cluster, namespace)
    yield made
    made.kubectl("delete", "httproute,gateway", "--all")


def status(site: Site, port: int, host: str) -> object:
    """The status of an answer on a port; what went wrong, where nobody answers."""
    connection = http.client.HTTPConnection(site.cluster.address, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except OSError as error:
        return repr(error)
    finally:
        connection.close()


def test_a_gateway_with_routes_to_pods(site: Site) -> None:
    assert (
        site.kubectl("get", "gatewayclass", "wherry", "-o", "jsonpath={.spec.controllerName}") == "wherry.dev/gateway"
    )
    assert "parentRefs" in site.kubectl("explain", "httproute.spec")
    site.web("one", "two")
    certificate, key = pair("s.gw.test")
    tls = {"certificateRefs": [{"name": "s"}]}
    site.apply(
        secret("s", certificate, key),
        gateway(
            listener("http", 80),
            listener("https", 443, "HTTPS", hostname="s.gw.test", tls=tls),
            listener("other", 8099, hostname="*.o.test"),
            listener("taken", 10250),
        ),
        route("plain", "p.gw.test", rule(("one", 1)), rule(("two", 1), path="/two")),
        route("secure", "s.gw.test", rule(("two", 1))),
        route("other", "x.o.test", rule(("one", 1))),
    )
    site.until("p.gw.test", "/", (200, "one"))
    assert site.get("p.gw.test", "/two/x") == (200, "two")
    shown = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    for _ in range(100):
        if site.certificate("s.gw.test") == shown and status(site, 8099, "x.o.test") == 200:
            break
        time.sleep(0.1)
    assert site.certificate("s.gw.test") == shown
    assert (status(site, 8099, "x.o.test"), status(site, 8099, "p.gw.test")) == (200, 404)
    site.kubectl("wait", "gateway/g", "--for=condition=Programmed", "--timeout=10s")
    found = json.loads(site.kubectl("get", "gateway/g", "-o", "json"))["status"]
    assert found["addresses"] == [{"type": "IPAddress", "value": site.cluster.address}]
    accepted = {
        one["name"]: next(c["reason"] for c in one["conditions"] if c["type"] == "Accepted")
        for one in found["listeners"]
    }
    assert accepted == {"http": "Accepted", "https": "Accepted", "other": "Accepted", "taken": "PortUnavailable"}
    assert {one["name"]: one["attachedRoutes"] for one in found["listeners"]}["http"] == 3
    refused = site.kubectl("get", "events", "--field-selector=reason=PortUnavailable", "-o", "name")
    assert refused.strip()


def test_no_request_fails_while_routes_change(site: Site) -> None:
    site.web("one", "two")
    site.apply(gateway(listener("http", 80)), route("r", "l.gw.test", rule(("one", 1))))
    site.until("l.gw.test", "/", (200, "one"))
    edit = {"requestHeaderModifier": {"set": [{"name": "x", "value": "y"}]}, "type": "RequestHeaderModifier"}
    with Clients(site, "l.gw.test") as clients:
        for share in (0, 50, 100):
            site.apply(route("r", "l.gw.test", rule(("one", 100 - share), ("two", share), filters=[edit])))
        site.until("l.gw.test", "/", (200, "two"))
        for n in range(5):
            site.apply(route(f"m{n}", f"m{n}.gw.test", rule(("one", 1))))
        site.kubectl("rollout", "restart", "deployment/two")
        site.kubectl("rollout", "status", "deployment/two", "--timeout=60s")
        site.apply(gateway(listener("http", 80), listener("more", 8098)))
        site.apply(route("r", "l.gw.test", rule(("one", 1))))
        site.until("l.gw.test", "/", (200, "one"))
        site.until("m4.gw.test", "/", (200, "one"))
    assert clients.failures == []
    assert clients.count > 100
