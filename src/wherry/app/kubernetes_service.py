"""The Service `kubernetes` and its endpoints: where pods reach the API. Follows this machine's address.

Owns: Service, Endpoints and EndpointSlice default/kubernetes, Service kube-system/kube-dns, and the agents' right to
read what a proxy must know (`grants.py`). Woken by: time. Writes only what differs. With a Service whose clusterIP is
given, the pods' view of the API never changes; what lies behind it does.
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Address

from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.types import discovery
from wherry.api.types.core import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Service,
    ServicePort,
    ServiceSpec,
)
from wherry.app import addresses
from wherry.app.config import Config
from wherry.app.grants import (
    ANSWERER,
    ANSWERER_BINDING,
    BUNDLES,
    BUNDLES_BINDING,
    NODE_NETWORK,
    NODE_NETWORK_BINDING,
    NODE_PROXIER,
)
from wherry.app.published import ensure, match
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, Conflict, NotFound
from wherry.machinery.meta import ObjectMeta
from wherry.network.dns_service import kube_dns

log = logging.getLogger(__name__)
EVERY = 10.0
NAME = "kubernetes"
NAMESPACE = "default"
LABELS = {"component": "apiserver", "provider": "kubernetes"}


async def publish(config: Config, client: Client) -> None:
    """Keep them as they should be, until cancelled."""
    while True:
        try:
            await ensure(client, CLUSTERROLEBINDING, NODE_PROXIER)
            await ensure(client, CLUSTERROLE, BUNDLES)
            await ensure(client, CLUSTERROLEBINDING, BUNDLES_BINDING)
            await ensure(client, CLUSTERROLE, ANSWERER)
            await ensure(client, CLUSTERROLEBINDING, ANSWERER_BINDING)
            await ensure(client, CLUSTERROLE, NODE_NETWORK)
            await ensure(client, CLUSTERROLEBINDING, NODE_NETWORK_BINDING)
            await ensure(client, SERVICE, service(config))
            await ensure(client, SERVICE, kube_dns(config.dns_address))
            address = await asyncio.to_thread(addresses.primary) or IPv4Address(config.bridge_address)
            await match(client, ENDPOINTS, endpoints(config, address))
            await match(client, ENDPOINTSLICE, endpoint_slice(config, address))
        except (Conflict, NotFound) as error:
            log.debug("the kubernetes service: %s", error)
            await asyncio.sleep(0.2)
            continue
        except APIError as error:
            log.warning("the kubernetes service cannot be published: %s", error)
        await asyncio.sleep(EVERY)


def service(config: Config) -> Service:
    """The Service itself."""
    return Service(
        metadata=ObjectMeta(
            name=NAME, namespace=NAMESPACE, labels={"component": "apiserver", "provider": "kubernetes"}
        ),
        spec=ServiceSpec(
            type="ClusterIP",
            cluster_ip=config.kubernetes_address,
            cluster_ips=(config.kubernetes_address,),
            ports=(ServicePort(name="https", port=443, protocol="TCP", target_port=config.port),),
        ),
    )


def endpoints(config: Config, address: IPv4Address) -> Endpoints:
    """Where the API server listens, in the old form."""
    subset = EndpointSubset(
        addresses=(EndpointAddress(ip=str(address)),),
        ports=(EndpointPort(name="https", port=config.port, protocol="TCP"),),
    )
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return Endpoints(metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=labels), subsets=(subset,))


def endpoint_slice(config: Config, address: IPv4Address) -> discovery.EndpointSlice:
    """Where the API server listens."""
    return discovery.EndpointSlice(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels={"kubernetes.io/service-name": NAME}),
        address_type="IPv4",
        endpoints=(discovery.Endpoint(addresses=(str(address),), conditions=discovery.EndpointConditions(ready=True)),),
        ports=(discovery.EndpointPort(name="https", port=config.port, protocol="TCP"),),
    )
