"""cluster-info is signed with every token that may sign, and with no other."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.core.bootstrap_token import CONTENT, TYPE, signature
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.types.core import ConfigMap, Secret
from wherry.controllers import bootstrapsigner
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.runner import run_controllers

SAYING = "Hello from the other side. I must have called a thousand times."


def token(name: str, **data: str) -> Secret:
    fields = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **data}
    meta = ObjectMeta(name=f"bootstrap-token-{name}", namespace="kube-system")
    return Secret(metadata=meta, type=TYPE, data={key: value.encode() for key, value in fields.items()})


def info(**data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="cluster-info", namespace="kube-public"), data=data)


def test_a_signature_is_upstreams() -> None:
    # https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/bootstrap/jws_test.go
    expected = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"
    assert signature(SAYING, "joshua", b"my voice is my passcode") == expected


async def test_signatures_come_and_go_with_their_tokens() -> None:
    cluster = Cluster(LoopClock())
    end = str(time_at(cluster.clock.now() + 60))
    odd: dict[str, Any] = {"usage-bootstrap-signing": "false"}
    for one in (token("aaaaaa"), token("bbbbbb", expiration=end), token("cccccc", **odd),
                token("dddddd", expiration="whenever"), token("eeeeee", **{"token-id": "ffffff"})):  # fmt: skip
        await cluster.create(SECRET, one)

    def signed() -> dict[str, str]:
        [found] = cluster.all(CONFIGMAP)
        return dict(found.data)

    own = {name: signature(SAYING, name.removeprefix("jws-kubeconfig-"), b"0123456789abcdef")
           for name in ("jws-kubeconfig-aaaaaa", "jws-kubeconfig-bbbbbb")}  # fmt: skip
    rest = {CONTENT: SAYING, "note": "kept"}
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, (bootstrapsigner.CONTROLLER,)))
        await asyncio.sleep(1)
        await cluster.create(CONFIGMAP, info(**rest, **{"jws-kubeconfig-zzzzzz": "old"}))
        await asyncio.sleep(1)
        assert signed() == rest | own
        await asyncio.sleep(120)
        del own["jws-kubeconfig-bbbbbb"]
        assert signed() == rest | own
        await cluster.create(SECRET, token("gggggg"))
        await asyncio.sleep(1)
        assert signed().keys() == {*rest, *own, "jws-kubeconfig-gggggg"}
        task.cancel()
