"""Site certificates from the cluster's own authority: every Ingress of ours with TLS has a certificate at once.

Wakes on: Ingress, IngressClass; Secrets of type kubernetes.io/tls; then when a certificate is due.
Writes:   Secret (create; its certificate and key when it is due or its names have changed); Events of the Ingress.
Upstream: none; the Secret is as in https://kubernetes.io/docs/concepts/services-networking/ingress/#tls

Invariants:
- a Secret that others made, or have written to, is never touched (`site_certificates.held`);
- a certificate that ACME gave stays while ACME is to renew it;
- keys are in the Secret alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.secret import SECRET
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.site_certificates import TLS, held, marks
from wherry.api.types.core import Secret
from wherry.controllers.settings import Settings
from wherry.controllers.sitewants import WATCHES, Wanted, wanted
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference
from wherry.reconcile.actions import Action, Create, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.view import View

REFUSED = "CertificateRefused"
_DAY = 86_400.0


def controller(settings: Settings) -> Controller:
    """The controller that issues with `settings.site`; without it, it does nothing."""
    issue = settings.site

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for one Secret."""
        want = wanted(view, key, acme=settings.acme is not None) if issue is not None else None
        if issue is None or want is None:
            return
        found = view.get(SECRET, key)
        if found is not None:
            present = held(found)
            if present is None or (want.acme and present.by == "acme"):
                return
            if present.names >= set(want.names) and view.now < present.due:
                yield Requeue(min(present.due - view.now, _DAY), "it will be due")
                return
        if want.taken is not None:
            host, other = want.taken
            why = f"no certificate: the host {host} is that of the older Ingress {other}"
            yield Emit(want.ingresses[0], "Warning", REFUSED, why)
            return
        certificate, private = issue(want.names)
        data = {"tls.crt": certificate, "tls.key": private}
        told = Emit(want.ingresses[0], "Normal", "CertificateIssued", _message(key, want))
        if found is None:
            meta = ObjectMeta(
                name=key.name, namespace=key.namespace, annotations=marks("own", data), owner_references=_owners(want)
            )
            failed = Emit(want.ingresses[0], "Warning", REFUSED, f"the Secret {key.name!r} cannot be made: {{error}}")
            yield Create(SECRET, Secret(metadata=meta, type=TLS, data=data), done=told, failed=failed)
        else:
            annotations = {**found.metadata.annotations, **marks("own", data)}
            meta = replace(found.metadata, annotations=annotations, owner_references=_owners(want))
            yield Replace(SECRET, replace(found, metadata=meta, data=data))
            yield told

    return Controller("sitecertificate", None, plan, watches=WATCHES, reads=(NAMESPACE,), component="wherry-ingress")


def _owners(want: Wanted) -> tuple[OwnerReference, ...]:
    """It goes with the last Ingress that wants it."""
    return tuple(
        OwnerReference(api_version=INGRESS.api_version, kind=INGRESS.kind, name=one.metadata.name, uid=one.metadata.uid)
        for one in want.ingresses
    )


def _message(key: Key, want: Wanted) -> str:
    said = f"the cluster's own authority vouches for {want.told} (Secret {key.name!r})"
    if want.acme:
        return f"{said} until ACME does"
    if want.public:
        return f"{said}, which browsers do not know; wherry up --acme-email asks a public one"
    return said
