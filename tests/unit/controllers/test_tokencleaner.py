"""Bootstrap tokens end when they say so."""

from __future__ import annotations

import asyncio

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.core.bootstrap_token import TYPE
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Secret
from wherry.controllers import tokencleaner
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.runner import run_controllers


def secret(name: str, expiration: str, kind: str = TYPE, namespace: str = "kube-system") -> Secret:
    meta = ObjectMeta(name=name, namespace=namespace)
    return Secret(metadata=meta, type=kind, data={"expiration": expiration.encode()} if expiration else {})


async def test_only_expired_tokens_go() -> None:
    cluster = Cluster(LoopClock())
    now = cluster.clock.now()
    soon, later = str(time_at(now + 30)), str(time_at(now + 3600))
    for one in (
        secret("soon", soon), secret("later", later), secret("never", ""), secret("odd", "whenever"),
        secret("other", soon, "Opaque"), secret("elsewhere", soon, namespace="default"),
    ):  # fmt: skip
        await cluster.create(SECRET, one)

    def names() -> set[str]:
        return {s.metadata.name for s in cluster.all(SECRET)}

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, (tokencleaner.CONTROLLER,)))
        await asyncio.sleep(10)
        assert names() == {"soon", "later", "never", "other", "elsewhere"}
        await asyncio.sleep(60)
        assert names() == {"later", "never", "other", "elsewhere"}
        task.cancel()
