"""Settings: what controllers are told about the cluster they work in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry.api.networking.site_certificates import Acme
from wherry.api.registry import RESOURCES
from wherry.controllers.autoscale_counts import AutoscaleCounts
from wherry.machinery.resource import Resource


@dataclass(frozen=True, slots=True)
class Settings:
    """`ca`: the cluster CA's certificates (PEM). `pod_network`: cut into a /`node_prefix` per node.

    `resources`: every kind that namespaces hold and owners own; custom ones are added by whoever compiles them.
    `load_balancer`: whether Services of type LoadBalancer get the nodes' addresses (no cloud does it instead).
    """

    ca: str = ""
    pod_network: str = "10.244.0.0/16"
    node_prefix: int = 24
    resources: tuple[Resource[Any], ...] = RESOURCES
    load_balancer: bool = True
    sign: Callable[[bytes, Sequence[str], int | None], bytes] | None = None
    """(request in PEM, usages, seconds or None) -> a certificate of the cluster CA. Raises ValueError."""
    site: Callable[[Sequence[str]], tuple[bytes, bytes]] | None = None
    """DNS names -> certificate and key of the site CA, PEM."""
    acme: Acme | None = None
    """Who vouches for public names, where ACME is turned on."""
    monotonic: Callable[[], float] | None = None
    """Seconds that never go back, for what must not be misled by a clock that is set; None: as the view's."""
    site_ca: str = ""
    """The site CA's certificate, PEM."""
    autoscaling: AutoscaleCounts = field(default_factory=AutoscaleCounts)
    """Where the autoscalers' controller counts what it does."""
