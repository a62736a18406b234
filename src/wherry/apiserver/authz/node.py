"""NodeRights: what an agent may do beside what RBAC gives every node: read and write what its own pods need.

https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.gateway.kinds import GATEWAY, REFERENCEGRANT, Gateway, ReferenceGrant
from wherry.api.gateway.world import World, by_namespace, certificates
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.site_certificates import secrets_of
from wherry.api.types.core import Pod
from wherry.api.types.rbac import RoleRef
from wherry.apiserver.authz.rbac import Rbac
from wherry.apiserver.authz.rules import Attributes, allows
from wherry.apiserver.pod_references import references
from wherry.machinery.codec import decode
from wherry.machinery.meta import Key
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
        self._windows = windows
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
        """Whether an Ingress or a Gateway names this Secret as a certificate: every node is an entry."""
        if asked.resource != "secrets" or not asked.name:
            return False
        named = (secrets_of(entry.obj) for entry in self._ingresses.list(asked.namespace).items)
        return any(key.name == asked.name for keys in named for key in keys) or self._gated(asked)

    def _gated(self, asked: Attributes) -> bool:
        """Whether a Gateway names it that may. Objects are read as they are stored: their kinds come and go."""
        key = Key(asked.namespace, asked.name)
        gateways = [decode(Gateway, entry.data) for entry in self._windows.of(GATEWAY).list().items]
        naming = [one.metadata.namespace for one in gateways if key in certificates(one)]
        if not naming or asked.namespace in naming:
            return bool(naming)
        grants = [decode(ReferenceGrant, entry.data) for entry in self._windows.of(REFERENCEGRANT).list().items]
        world = World(grants=by_namespace(grants))
        return any(world.permitted("Gateway", namespace, "Secret", key) for namespace in naming)

    def _uses_volume(self, node: str, volume: str) -> bool:
        for entry in self._pods.get(node, {}).values():
            for kind, name in references(entry.obj):
                if kind != "persistentvolumeclaims":
                    continue
                claim = self._claims.get(self._claims.key(entry.namespace, name))
                if claim is not None and claim.obj.spec.volume_name == volume:
                    return True
        return False
