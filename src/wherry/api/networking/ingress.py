"""networking.k8s.io/v1 Ingress: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.networking import Ingress

INGRESS = declare(Ingress)
