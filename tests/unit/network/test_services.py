"""Which targets a new connection may have, case by case."""

from __future__ import annotations

import pytest

from tests.unit.network.objects import VIP, endpoint, service, slice_of
from wherry.api.types.core import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServiceStatus,
    SessionAffinityConfig,
)
from wherry.api.types.discovery import Endpoint
from wherry.network.services import Entry, Front, Place, Target, entries, local_endpoints

HERE = Place("n1", "east")
CLUSTER = Front("tcp", VIP, 80)


def inside(made: Service, *endpoints: Endpoint) -> list[str]:
    return [target.address for target in entries(made, [slice_of(*endpoints)], HERE)[CLUSTER].inside]


@pytest.mark.parametrize(
    ("endpoints", "used"),
    [
        pytest.param([endpoint("10.244.0.2"), endpoint("10.244.0.3", ready=False)], ["10.244.0.2"], id="ready only"),
        pytest.param(
            [endpoint("10.244.0.2", ready=False, serving=True, terminating=True), endpoint("10.244.0.3")],
            ["10.244.0.3"],
            id="terminating rests while another is ready",
        ),
        pytest.param(
            [endpoint("10.244.0.2", ready=False, serving=True, terminating=True)],
            ["10.244.0.2"],
            id="terminating serves when none is ready",
        ),
        pytest.param(
            [endpoint("10.244.0.2", ready=False, serving=False, terminating=True)], [], id="terminating and not serving"
        ),
        pytest.param([endpoint("127.0.0.1"), endpoint("169.254.169.254"), endpoint("224.0.0.1")], [], id="hijacks"),
        pytest.param([endpoint("1.2.3.4; drop"), endpoint("::1")], [], id="no address"),
    ],
)
def test_which_endpoints_serve(endpoints: list[Endpoint], used: list[str]) -> None:
    assert inside(service(), *endpoints) == used


def test_hints_are_followed_only_when_complete() -> None:
    near, far = endpoint("10.244.0.2", zone="east"), endpoint("10.244.0.3", zone="west")
    assert inside(service(), near, far) == ["10.244.0.2"]
    assert inside(service(), near, far, endpoint("10.244.0.4")) == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    assert inside(service(), far) == ["10.244.0.3"], "no hint for here: all of them"


def test_internal_policy_local_drops_rather_than_refuses() -> None:
    made = service(internal_traffic_policy="Local")
    assert inside(made, endpoint("10.244.0.2"), endpoint("10.244.0.3", node="n2")) == ["10.244.0.2"]
    entry = entries(made, [slice_of(endpoint("10.244.0.3", node="n2"))], HERE)[CLUSTER]
    assert entry == Entry((), refuse=False)


def test_external_policy_local_binds_only_outside() -> None:
    status = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="192.0.2.9"),)))
    made = service(node_port=30080, external_traffic_policy="Local", external_ips=("192.0.2.8",), status=status)
    here, there = Target("10.244.0.2", 8080), Target("10.244.1.2", 8080)
    found = entries(made, [slice_of(endpoint("10.244.0.2"), endpoint("10.244.1.2", node="n2"))], HERE)
    outer = Entry((here, there), (here,))
    assert found == {
        CLUSTER: Entry((here, there), refuse=False),
        Front("tcp", "192.0.2.8", 80): outer,
        Front("tcp", "192.0.2.9", 80): outer,
        Front("tcp", "", 30080): outer,
    }


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(service(ip="None"), id="headless"),
        pytest.param(service(ip=""), id="no address yet"),
        pytest.param(service(type="ExternalName", external_name="x.org"), id="external name"),
        pytest.param(service(labels={"service.kubernetes.io/service-proxy-name": "other"}), id="another proxy's"),
    ],
)
def test_services_without_fronts(made: Service) -> None:
    assert entries(made, [slice_of(endpoint("10.244.0.2"))], HERE) == {}


def test_affinity_ranges_and_headless_slices() -> None:
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=30))
    made = service(session_affinity="ClientIP", session_affinity_config=config)
    assert entries(made, [], HERE)[CLUSTER].affinity == 30
    assert entries(service(session_affinity="ClientIP"), [], HERE)[CLUSTER].affinity == 10800
    labelled = slice_of(endpoint("10.244.0.2"), labels={"service.kubernetes.io/headless": ""})
    assert entries(service(), [labelled], HERE)[CLUSTER].inside == ()
    status = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="192.0.2.9"),)))
    fenced = service(load_balancer_source_ranges=(" 10.0.0.0/8", "nonsense"), status=status)
    assert entries(fenced, [], HERE)[Front("tcp", "192.0.2.9", 80)].ranges == ("10.0.0.0/8",)


def test_local_endpoints_counts_ready_ones_here() -> None:
    pieces = [slice_of(endpoint("10.244.0.2"), endpoint("10.244.0.3", ready=False), endpoint("10.244.1.2", node="n2"))]
    assert local_endpoints(pieces, HERE) == 1
