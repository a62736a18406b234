"""Pods, containers and facts for node tests, in few words."""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.api.types.core import Pod
from wherry.machinery.codec import from_dict
from wherry.machinery.time import time_at
from wherry.node.facts import HASH, STEP, Facts, container_hash
from wherry.node.runtime.interface import Container, Sandbox, State

NOW = 1_700_000_000.0


def container(name: str, **fields: Any) -> dict[str, Any]:
    """A container's definition."""
    return {"name": name, "image": "busybox:1", **fields}


def pod(*names: str, init: tuple[dict[str, Any], ...] = (), **spec: Any) -> Pod:
    """A pod with main containers of these names; `spec` overrides fields by their wire names."""
    base = {
        "nodeName": "n1",
        "containers": [container(name) for name in names or ("c",)],
        "initContainers": list(init),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
    }
    return from_dict(
        Pod, {"metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 1}, "spec": base | spec}
    )


def deleted(one: Pod, grace: int = 30, at: float = NOW) -> Pod:
    """The same pod, deleted at a moment."""
    meta = msgspec.structs.replace(
        one.metadata, deletion_timestamp=time_at(at + grace), deletion_grace_period_seconds=grace
    )
    return msgspec.structs.replace(one, metadata=meta)


def sandbox(identity: str = "s0", attempt: int = 0, *, ready: bool = True) -> Sandbox:
    """A sandbox."""
    return Sandbox(identity, "p", "default", "u", attempt, ready, NOW, ips=("10.244.0.2",))


def made(name: str, state: State = State.RUNNING, attempt: int = 0, **fields: Any) -> Container:
    """A container of `pod` in sandbox s0, with the annotations the agent gives it."""
    step = fields.pop("step", attempt)
    definition = pod(name).spec.containers[0]
    return Container(
        id=fields.pop("id", f"{name}-{attempt}"),
        sandbox=fields.pop("sandbox", "s0"),
        name=name,
        attempt=attempt,
        state=state,
        created=NOW + attempt,
        annotations={STEP: str(step), HASH: container_hash(definition)},
        started=fields.pop("started", NOW),
        finished=fields.pop("finished", NOW if state is State.EXITED else 0.0),
        detailed=True,
        **fields,
    )


def facts(*containers: Container, **fields: Any) -> Facts:
    """Facts of a pod whose sandbox runs and whose volumes are there."""
    given: dict[str, Any] = {"sandboxes": (sandbox(),), "volumes_ready": True, "host_ips": ("192.0.2.1",)}
    return Facts(containers=containers, **(given | fields))
