"""apiregistration.k8s.io/v1 APIService: what the API adds to its schema (`wherry.api.types.apiregistration`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.apiregistration import APIService

APISERVICE = declare(APIService)
