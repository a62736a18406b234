"""Trust bundle publisher: who has signed the API server's certificate, and who signs those of sites, for pods.

Wakes on: ClusterTrustBundle of the signers kubernetes.io/kube-apiserver-serving and wherry.dev/sites; the first
          namespaces there are.
Writes:   ClusterTrustBundle `kubernetes.io:kube-apiserver-serving:<hash>` and `wherry.dev:sites:<hash>` (and no other
          of these signers).
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#cluster-trust-bundles
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.core.namespace import NAMESPACE
from wherry.api.types.certificates import ClusterTrustBundle, ClusterTrustBundleSpec
from wherry.api.types.core import Namespace
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Delete, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

SIGNER = "kubernetes.io/kube-apiserver-serving"
SITES = "wherry.dev/sites"


def bundle_name(signer: str, bundle: str) -> str:
    """`kubernetes.io:kube-apiserver-serving:<24 hexadecimal digits of the bundle>`."""
    return f"{signer.replace('/', ':')}:{hashlib.sha256(bundle.encode()).digest()[:12].hex()}"


def controller(settings: Settings) -> Controller:
    """The controller that publishes `settings.ca` and `settings.site_ca`; a key is a signer."""
    bundles = {SIGNER: settings.ca, SITES: settings.site_ca}

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for all bundles of a signer."""
        signer, bundle = key.name, bundles[key.name]
        if not bundle:
            return
        name, spec = bundle_name(signer, bundle), ClusterTrustBundleSpec(signer_name=signer, trust_bundle=bundle)
        found = view.get(CLUSTERTRUSTBUNDLE, Key("", name))
        if found is None:
            yield Create(CLUSTERTRUSTBUNDLE, ClusterTrustBundle(metadata=ObjectMeta(name=name), spec=spec))
        elif found.spec != spec:
            yield Replace(CLUSTERTRUSTBUNDLE, replace(found, spec=spec))
        for other in view.list(CLUSTERTRUSTBUNDLE):
            if other.spec.signer_name == signer and other.metadata.name != name:
                yield Delete(CLUSTERTRUSTBUNDLE, key_of(other), other.metadata.uid)

    watches = (Watch(CLUSTERTRUSTBUNDLE, _ours), Watch(NAMESPACE, _first))
    return Controller("clustertrustbundle", None, plan, watches=watches, concurrency=1)


def _ours(view: View, bundle: ClusterTrustBundle) -> Iterator[Key]:
    if bundle.spec.signer_name in (SIGNER, SITES):
        yield Key("", bundle.spec.signer_name)


def _first(view: View, namespace: Namespace) -> Iterator[Key]:
    """Something that every cluster has wakes the first run."""
    if namespace.metadata.name == "default":
        yield from (Key("", signer) for signer in (SIGNER, SITES))
