"""coordination.k8s.io/v1 Lease: what the API adds to its schema (`wherry.api.types.coordination`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.coordination import Lease

LEASE = declare(Lease)
