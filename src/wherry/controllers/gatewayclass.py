"""GatewayClass status: whether wherry serves a class, and what of the Gateway API.

Wakes on: GatewayClass; CustomResourceDefinitions of the Gateway API.
Writes:   GatewayClass/status of classes whose controller is wherry.
Upstream: https://gateway-api.sigs.k8s.io/reference/spec/#gatewayclassstatus
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION as CRD
from wherry.api.gateway.bundle import GROUP, PLURALS, VERSION, supported
from wherry.api.gateway.features import features
from wherry.api.gateway.kinds import GATEWAYCLASS, GatewayClass, GatewayClassStatus, SupportedFeature
from wherry.api.gateway.said import said
from wherry.api.gateway.world import CONTROLLER as SERVER
from wherry.api.gateway.world import Verdict
from wherry.controllers.gatewaystatus import write
from wherry.controllers.gatewayworld import CLASSES
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Action
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one class."""
    found = CLASSES.get(view, key)
    if found is None or found.spec.controller_name != SERVER:
        return
    verdicts = {"Accepted": _accepted(found), "SupportedVersion": _version(view)}
    status = GatewayClassStatus(
        conditions=said(found.status.conditions, verdicts, found.metadata.generation, time_at(view.now)),
        supported_features=tuple(SupportedFeature(name=name) for name in features(found)),
    )
    yield from write(GATEWAYCLASS, found, found.status, status)


def _accepted(found: GatewayClass) -> Verdict:
    if found.spec.parameters_ref is not None:
        return Verdict("False", "InvalidParameters", "a class of wherry has no parameters")
    return Verdict("True", "Accepted", "Gateways of this class are served by every node")


def _version(view: View) -> Verdict:
    found = [view.get(CRD, Key("", f"{plural}.{GROUP}")) for plural in PLURALS]
    if all(one is not None and supported(one) for one in found):
        return Verdict("True", "SupportedVersion", f"the definitions are of a version up to {VERSION}")
    return Verdict("False", "UnsupportedVersion", f"some definitions are not of a version from v1.0.0 to {VERSION}")


def _all(view: View, obj: Object) -> Iterator[Key]:
    if obj.metadata.name.endswith(f".{GROUP}"):
        yield from (key_of(one) for one in view.list(GATEWAYCLASS))


CONTROLLER = Controller("gatewayclass", GATEWAYCLASS, plan, watches=(Watch(CRD, _all),), component="wherry-gateway")
