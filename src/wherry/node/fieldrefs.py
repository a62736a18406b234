"""What `fieldRef` and `resourceFieldRef` mean: values of the pod itself, for variables and for downward API files.
Pure.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from wherry.api.types.core import Container, Pod, ResourceFieldSelector
from wherry.machinery.quantity import milli, whole

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")


class UnknownField(Exception):
    """A field that no variable or file can be made of; the text says which."""


def field_value(pod: Pod, path: str, host_ips: tuple[str, ...], ips: tuple[str, ...]) -> str:
    """The text of a field. Raises UnknownField."""
    found = _SUBSCRIPT.match(path)
    meta = pod.metadata
    if found:
        return str((meta.labels if found[1] == "labels" else meta.annotations).get(found[2], ""))
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": ips[0] if ips else "",
        "status.podIPs": ",".join(ips),
    }
    if path in values:
        return values[path]
    if path in ("metadata.labels", "metadata.annotations"):
        return as_lines(meta.labels if path.endswith("labels") else meta.annotations)
    raise UnknownField(f"unsupported fieldPath: {path}")


def as_lines(values: Mapping[str, str]) -> str:
    """key="value" lines, sorted."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items()))


def resource_value(
    pod: Pod, container: Container | None, ref: ResourceFieldSelector, allocatable: Mapping[str, int]
) -> str:
    """A container's limit or request, divided and rounded up; a missing limit is what the node has. `allocatable` is in
    millicores and bytes. Raises UnknownField."""
    if ref.container_name:
        everyone = (*pod.spec.containers, *pod.spec.init_containers)
        container = next((one for one in everyone if one.name == ref.container_name), None)
    side, _, name = ref.resource.partition(".")
    if container is None or side not in ("limits", "requests"):
        raise UnknownField(f"unsupported container resource : {ref.resource}")
    given = container.resources.limits if side == "limits" else container.resources.requests
    if name == "cpu":
        value = milli(given[name]) if name in given else _default(side, name, allocatable)
        divisor = milli(ref.divisor) if ref.divisor else 1000
    else:
        value = whole(given[name]) if name in given else _default(side, name, allocatable)
        divisor = whole(ref.divisor) if ref.divisor else 1
    divisor = divisor or (1000 if name == "cpu" else 1)
    return str(-(-value // divisor))


def _default(side: str, name: str, allocatable: Mapping[str, int]) -> int:
    return allocatable.get(name, 0) if side == "limits" else 0
