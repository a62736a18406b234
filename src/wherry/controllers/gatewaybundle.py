"""The Gateway API's definitions and the usual GatewayClass: there from a cluster's first start.

Wakes on: the namespace kube-system; CustomResourceDefinitions.
Writes:   the definitions that are missing when the server starts, or that an older wherry made; the GatewayClasses
          `wherry` and `wherry-internal`, each once in a cluster's life (annotations of kube-system remember it).
Upstream: https://gateway-api.sigs.k8s.io/concepts/crd-management/

Invariants:
- definitions that somebody else made, or has replaced, are never touched;
- what is deleted while the server runs stays deleted until it starts again.
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION as CRD
from wherry.api.core.namespace import NAMESPACE
from wherry.api.gateway.addresses import NOTE, OWN
from wherry.api.gateway.bundle import GROUP, PLURALS, load, merged, to_write
from wherry.api.gateway.kinds import GATEWAYCLASS, GatewayClass, GatewayClassSpec
from wherry.api.gateway.world import CONTROLLER as SERVER
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.meta import Key, Object, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Patch, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

SYSTEM = Key("", "kube-system")
CLASSES = {
    "wherry.dev/default-gateway-class": GatewayClass(
        metadata=ObjectMeta(name="wherry"), spec=GatewayClassSpec(controller_name=SERVER)
    ),
    "wherry.dev/internal-gateway-class": GatewayClass(
        metadata=ObjectMeta(name="wherry-internal", annotations={NOTE: OWN}),
        spec=GatewayClassSpec(controller_name=SERVER),
    ),
}
"""The classes of a new cluster, by the annotation that remembers them: Gateways on the nodes' addresses, and Gateways
with an address of their own in the cluster."""


def controller(settings: Settings) -> Controller:
    """The controller of one server's life."""
    installed = False

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run: only kube-system matters."""
        nonlocal installed
        if key != SYSTEM:
            return
        if not installed:
            missing = list(_definitions(view))
            installed = not missing
            yield from missing
        yield from _classes(view)

    return Controller(
        "gatewaybundle", NAMESPACE, plan, watches=(Watch(CRD, _definition), Watch(GATEWAYCLASS, _system)),
        component="wherry-gateway",
    )  # fmt: skip


def _definitions(view: View) -> Iterator[Action]:
    present = [view.get(CRD, Key("", f"{plural}.{GROUP}")) for plural in PLURALS]
    if not any(map(to_write, present)):
        return
    for new in load():
        found = view.get(CRD, key_of(new))
        if found is None:
            yield Create(CRD, new)
        elif to_write(found):
            yield Replace(CRD, merged(new, found))


def _classes(view: View) -> Iterator[Action]:
    system = view.get(NAMESPACE, SYSTEM)
    if system is None:
        return
    fresh = {note: made for note, made in CLASSES.items() if note not in system.metadata.annotations}
    if not fresh:
        return
    definition = view.get(CRD, Key("", f"{GATEWAYCLASS.plural}.{GROUP}"))
    if definition is None or not conditions.is_true(definition.status.conditions, "Established"):
        return
    there = {note: made for note, made in fresh.items() if view.get(GATEWAYCLASS, key_of(made)) is not None}
    yield from (Create(GATEWAYCLASS, made) for note, made in fresh.items() if note not in there)
    if there:
        notes = {note: made.metadata.name for note, made in there.items()}
        yield Patch(NAMESPACE, SYSTEM, {"metadata": {"annotations": notes}})


def _definition(view: View, obj: Object) -> Iterator[Key]:
    if obj.metadata.name.endswith(f".{GROUP}"):
        yield SYSTEM


def _system(view: View, obj: Object) -> Iterator[Key]:
    yield SYSTEM
