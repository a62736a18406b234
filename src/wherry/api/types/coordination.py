"""Generated from the Kubernetes API schema by hack/generate_types.py: coordination. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, Object, shown
from wherry.machinery.time import MicroTime


class LeaseSpec(Model, frozen=True):
    """io.k8s.api.coordination.v1.LeaseSpec"""

    acquire_time: MicroTime | None = None
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    preferred_holder: str | None = None
    renew_time: MicroTime | None = None
    strategy: str | None = None


class Lease(Object, frozen=True):
    """io.k8s.api.coordination.v1.Lease"""

    kind: str = field(default_factory=lambda: "Lease")
    api_version: str = field(default_factory=lambda: "coordination.k8s.io/v1")
    spec: LeaseSpec = field(default_factory=shown(LeaseSpec))
