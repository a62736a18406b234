"""apps/v1 ReplicaSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.apps import ReplicaSet

REPLICASET = declare(ReplicaSet)
