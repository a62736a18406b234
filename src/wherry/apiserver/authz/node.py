"""NodeRights: what an agent may do beside what RBAC gives every node: read and write what its own pods need.

https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.networking.ingress import INGRESS
from wherry.api.types.core import Container, EphemeralContainer, Pod
from wherry.api.types.rbac import RoleRef
from wherry.apiserver.authz.rbac import Rbac
from wherry.apiserver.authz.rules import Attributes, allows
from wherry.store.entry import Entry, Event
from wherry.store.windows import Windows

_READ = ("get", "list", "watch")
_ROLE = RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:node")
_WRITE = (*_READ, "create", "update", "patch", "delete")


class NodeRights:
    """Follows pods, to know what each node's pods refer to."""

    def __init__(self, windows: Windows, rbac: Rbac) -> None:
        self._rbac = rbac
        self._claims = windows.of(PERSISTENTVOLUMECLAIM)
        self._ingresses = windows.of(INGRESS)
        self._pods: dict[str, dict[str, Entry[Pod]]] = {}
        window = windows.of(POD)
        page = window.list()
        for entry in page.items:
            self._put(entry)

        def sink(event: Event[Pod]) -> bool:
            if event.type == "DELETED":
                self._pods.get(event.entry.obj.spec.node_name, {}).pop(event.entry.key, None)
            else:
                self._put(event.entry)
            return True

        window.watch(page.revision, sink)

    def _put(self, entry: Entry[Pod]) -> None:
        if b'"nodeName":"' not in entry.data:  # most new pods: not worth decoding
            return
        node = entry.obj.spec.node_name
        if node:
            self._pods.setdefault(node, {})[entry.key] = entry

    def allowed(self, asked: Attributes) -> bool:  # noqa: PLR0911 - one row per resource
        """Whether an agent may, because of what runs on its node."""
        node = asked.user.node
        match asked.full_resource, asked.group:
            case (("nodes" | "nodes/status"), ""):
                return asked.verb in ("create", *_READ) or (asked.verb in ("update", "patch") and asked.name == node)
            case "leases", "coordination.k8s.io":
                return asked.namespace == "kube-node-lease" and asked.verb in _WRITE and asked.name in (node, "")
            case "csinodes", "storage.k8s.io":
                return asked.verb in _WRITE and asked.name in (node, "")
            case (("secrets" | "configmaps"), ""):
                return asked.verb in _READ and (self._refers(asked, asked.resource) or self._certifies(asked))
            case "persistentvolumeclaims", "":
                return asked.verb == "get" and self._refers(asked, asked.resource)
            case "persistentvolumes", "":
                return asked.verb == "get" and self._uses_volume(node, asked.name)
            case "serviceaccounts/token", "":
                return asked.verb == "create" and self._refers(asked, "serviceaccounts")
            case "serviceaccounts", "":
                return asked.verb == "get" and self._refers(asked, "serviceaccounts")
            case _:
                return any(allows(rule, asked) for rule in self._rbac.rules_of(_ROLE, ""))

    def _refers(self, asked: Attributes, kind: str) -> bool:
        """Whether a pod on the node names this object; lists and watches must name one too."""
        if not asked.name:
            return False
        return any(
            entry.namespace == asked.namespace and (kind, asked.name) in references(entry.obj)
            for entry in self._pods.get(asked.user.node, {}).values()
        )

    def _certifies(self, asked: Attributes) -> bool:
        """Whether an Ingress names this Secret as a certificate: every node is an entry."""
        return asked.resource == "secrets" and any(
            tls.secret_name == asked.name
            for entry in self._ingresses.list(asked.namespace).items
            for tls in entry.obj.spec.tls
        )

    def _uses_volume(self, node: str, volume: str) -> bool:
        for entry in self._pods.get(node, {}).values():
            for kind, name in references(entry.obj):
                if kind != "persistentvolumeclaims":
                    continue
                claim = self._claims.get(self._claims.key(entry.namespace, name))
                if claim is not None and claim.obj.spec.volume_name == volume:
                    return True
        return False


def references(pod: Pod) -> set[tuple[str, str]]:
    """(plural, name) of every namespaced object that a pod's containers and volumes need."""
    return set(_references(pod))


def _references(pod: Pod) -> Iterator[tuple[str, str]]:
    spec = pod.spec
    if spec.service_account_name:
        yield "serviceaccounts", spec.service_account_name
    for pull in spec.image_pull_secrets:
        yield "secrets", pull.name
    containers: tuple[Container | EphemeralContainer, ...] = (
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    )
    for container in containers:
        for source in container.env_from:
            if source.config_map_ref:
                yield "configmaps", source.config_map_ref.name
            if source.secret_ref:
                yield "secrets", source.secret_ref.name
        for variable in container.env:
            origin = variable.value_from
            if origin and origin.config_map_key_ref:
                yield "configmaps", origin.config_map_key_ref.name
            if origin and origin.secret_key_ref:
                yield "secrets", origin.secret_key_ref.name
    yield from _volumes(pod)


def _volumes(pod: Pod) -> Iterator[tuple[str, str]]:
    for volume in pod.spec.volumes:
        if volume.config_map:
            yield "configmaps", volume.config_map.name
        if volume.secret:
            yield "secrets", volume.secret.secret_name
        if volume.persistent_volume_claim:
            yield "persistentvolumeclaims", volume.persistent_volume_claim.claim_name
        if volume.csi and volume.csi.node_publish_secret_ref:
            yield "secrets", volume.csi.node_publish_secret_ref.name
        if volume.ephemeral:
            yield "persistentvolumeclaims", f"{pod.metadata.name}-{volume.name}"
        for source in volume.projected.sources if volume.projected else ():
            if source.config_map:
                yield "configmaps", source.config_map.name
            if source.secret:
                yield "secrets", source.secret.name
