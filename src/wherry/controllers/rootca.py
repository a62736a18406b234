"""Root CA publisher: every living namespace has a ConfigMap `kube-root-ca.crt` with the cluster CA.

Wakes on: Namespace; ConfigMap of that name.
Writes:   ConfigMap (create; its data and description are put back when changed).
Upstream: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.namespace import NAMESPACE
from wherry.api.types.core import ConfigMap
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.actions import Action, Create, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

NAME = "kube-root-ca.crt"
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


def controller(settings: Settings) -> Controller:
    """The controller that publishes `settings.ca`."""
    data = {"ca.crt": settings.ca}

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for one Namespace."""
        namespace = view.get(NAMESPACE, key)
        if namespace is None or namespace.metadata.deletion_timestamp is not None:
            return
        found = view.get(CONFIGMAP, Key(key.name, NAME))
        if found is None:
            meta = ObjectMeta(name=NAME, namespace=key.name, annotations=DESCRIPTION)
            yield Create(CONFIGMAP, ConfigMap(metadata=meta, data=data))
        elif found.data != data or not DESCRIPTION.items() <= found.metadata.annotations.items():
            annotations = {**found.metadata.annotations, **DESCRIPTION}
            meta = replace(found.metadata, annotations=annotations)
            yield Replace(CONFIGMAP, replace(found, metadata=meta, data=data))

    return Controller("rootca", NAMESPACE, plan, watches=(Watch(CONFIGMAP, _namespace),))


def _namespace(view: View, config: ConfigMap) -> Iterator[Key]:
    if config.metadata.name == NAME:
        yield Key("", config.metadata.namespace)
