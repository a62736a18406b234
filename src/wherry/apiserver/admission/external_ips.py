"""DenyServiceExternalIPs: nobody takes traffic that is meant for somebody else's address (CVE-2020-8554).

On by default here, unlike upstream: addresses for Services come from load balancers. What a Service has it may keep.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#denyserviceexternalips
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.types.core import Service
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def _deny(api: Api, ctx: Context[Service], service: Service, old: Service | None) -> None:
    had = frozenset(old.spec.external_ips) if old is not None else frozenset()
    if not had.issuperset(service.spec.external_ips):
        raise forbidden(ctx, "Use of external IPs is denied by admission control")


PLUGIN = Plugin("DenyServiceExternalIPs", validate=_deny, resources=frozenset({"services"}))
