"""Site certificates from an ACME authority, for public names, where the configuration turns that on.

Wakes on: Ingress, IngressClass; Secrets of type kubernetes.io/tls; then when a certificate is due or may be asked for.
Writes:   Secret (certificate and key; before an order, that it was made); the ConfigMap `ANSWERS`; Events of the
          Ingress.
Upstream: none; https://www.rfc-editor.org/rfc/rfc8555

Invariants:
- the cluster's own authority has filled the Secret before (`sitecertificate`), so a site is never without TLS;
- an order is noted in the Secret before it is made, with the time before which there is no other for these names: no
  restart and no failure makes a loop of orders;
- one order at a time, so the answers that entries give are those of one order;
- a Secret that others have written to meanwhile stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.core.secret import SECRET
from wherry.api.networking.site_certificates import ANSWERS, Acme, Refused, held, marks
from wherry.api.types.core import ConfigMap, Secret
from wherry.controllers.settings import Settings
from wherry.controllers.sitecertificate import REFUSED
from wherry.controllers.sitewants import WATCHES, Wanted, wanted
from wherry.machinery import conditions
from wherry.machinery.errors import Conflict, NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController
from wherry.reconcile.view import View

TRIED = "wherry.dev/acme-tried"
"""On a Secret: the last order that brought nothing yet, as JSON."""
PAUSES = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0)
"""Seconds after the first, second... order for the same names: fewer than five in the first hour."""
_DAY = 86_400.0
_WRITES = 3


class Tried(msgspec.Struct, frozen=True):
    """`orders` in a row that brought nothing; none before `next` (epoch seconds)."""

    names: tuple[str, ...]
    orders: int
    next: float


@dataclass(frozen=True, slots=True)
class Order:
    """Ask now; `tried` is what to note first."""

    tried: Tried


def decide(want: Wanted, secret: Secret, now: float) -> Order | float | None:
    """Ask the authority, or wait for so many seconds; None: nothing to do until something changes."""
    present = held(secret)
    if present is None:
        return None
    if present.by == "acme" and present.names >= set(want.names) and now < present.due:
        return min(present.due - now, _DAY)
    before = tried(secret)
    if before is None or before.names != want.names:
        before = Tried(want.names, 0, 0.0)
    if now < before.next:
        return min(before.next - now, _DAY)
    pause = PAUSES[min(before.orders, len(PAUSES) - 1)]
    return Order(Tried(want.names, before.orders + 1, now + pause))


def tried(secret: Secret) -> Tried | None:
    """What is noted in a Secret; nonsense is nothing."""
    try:
        return msgspec.json.decode(secret.metadata.annotations.get(TRIED, ""), type=Tried)
    except msgspec.DecodeError:
        return None


def controller(settings: Settings) -> AsyncController:
    """The controller that asks `settings.acme`; without it, it does nothing."""
    acme = settings.acme

    async def reconcile(ctx: Context, key: Key) -> float | None:
        """One run for one Secret."""
        want = wanted(ctx.view, key, acme=True) if acme is not None else None
        secret = ctx.view.get(SECRET, key)
        if acme is None or want is None or not want.acme or want.taken is not None or secret is None:
            return None
        step = decide(want, secret, ctx.view.now)
        return await _order(ctx, acme, want, secret, step.tried) if isinstance(step, Order) else step

    return AsyncController(
        "acmecertificate",
        reconcile,
        watches=WATCHES,
        reads=(NAMESPACE, NODE),
        component="wherry-ingress",
        concurrency=1,
    )


async def _order(ctx: Context, acme: Acme, want: Wanted, secret: Secret, noted: Tried) -> float:
    """Note it, make it, keep what comes of it. Returns seconds until the next look."""
    key = Key(secret.metadata.namespace, secret.metadata.name)
    await _note(ctx, secret, noted)

    async def publish(answers: Mapping[str, str]) -> Sequence[str]:
        await _publish(ctx, answers)
        return _entries(ctx.view)

    first, names = want.ingresses[0], want.told
    try:
        certificate, private = await acme.obtain(want.names, publish)
    except Refused as error:
        again = max(noted.next, ctx.view.now + error.after)
        if again > noted.next:
            await _note(ctx, secret, Tried(noted.names, noted.orders, again))
        ctx.emit(
            first, "Warning", REFUSED,
            f"no certificate for {names}: {str(error)[:600]}; asked again after {time_at(again)}",
        )  # fmt: skip
        return again - ctx.view.now
    if await _keep(ctx, key, {"tls.crt": certificate, "tls.key": private}):
        message = f"the ACME authority vouches for {names} (Secret {key.name!r})"
        ctx.emit(first, "Normal", "CertificateIssued", message)
    return _DAY


async def _note(ctx: Context, secret: Secret, noted: Tried) -> None:
    text = msgspec.json.encode(noted).decode()
    meta = {"uid": secret.metadata.uid, "annotations": {TRIED: text}}
    await ctx.api.patch(SECRET, Key(secret.metadata.namespace, secret.metadata.name), {"metadata": meta})


async def _keep(ctx: Context, key: Key, data: Mapping[str, bytes]) -> bool:
    """Put it into the Secret, while that is ours. There it stays when the Ingress goes: authorities count."""
    for _ in range(_WRITES):
        try:
            secret = await ctx.api.get(SECRET, key)
            if held(secret) is None:
                return False
            annotations = {name: text for name, text in secret.metadata.annotations.items() if name != TRIED}
            meta = replace(
                secret.metadata, annotations={**annotations, **marks("acme", data)}, owner_references=()
            )  # fmt: skip
            await ctx.api.replace(SECRET, replace(secret, metadata=meta, data=data))
        except Conflict:
            continue
        except NotFound:
            return False
        return True
    return False


async def _publish(ctx: Context, answers: Mapping[str, str]) -> None:
    """Exactly these: what an order that was cut off has left behind goes with the next."""
    config = ConfigMap(metadata=ObjectMeta(name=ANSWERS.name, namespace=ANSWERS.namespace), data=dict(answers))
    try:
        await ctx.api.replace(CONFIGMAP, config)
    except NotFound:
        await ctx.api.create(CONFIGMAP, config)


def _entries(view: View) -> list[str]:
    """Addresses of the nodes that serve now."""
    ready = [node for node in view.list(NODE) if conditions.is_true(node.status.conditions, "Ready")]
    return sorted(filter(None, (address(node, "InternalIP") for node in ready)))
