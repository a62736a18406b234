"""The Service under whose address cluster DNS answers on every node. `app` or a controller creates it once.

It has no selector and no endpoints: each node's agent answers at the address itself (`dns.py`), and the proxy makes no
rules for it. Clients find it as `kube-dns.kube-system`.
"""

from __future__ import annotations

from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.machinery.meta import ObjectMeta

CLUSTER_IP = "10.96.0.10"
DOMAIN = "cluster.local"


def kube_dns(cluster_ip: str = CLUSTER_IP) -> Service:
    """The manifest of kube-system/kube-dns."""
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS", "app.kubernetes.io/managed-by": "wherry"}
    return Service(
        metadata=ObjectMeta(name="kube-dns", namespace="kube-system", labels=labels),
        spec=ServiceSpec(
            type="ClusterIP",
            cluster_ip=cluster_ip,
            cluster_ips=(cluster_ip,),
            ports=(
                ServicePort(name="dns", port=53, protocol="UDP", target_port=53),
                ServicePort(name="dns-tcp", port=53, protocol="TCP", target_port=53),
            ),
        ),
    )
