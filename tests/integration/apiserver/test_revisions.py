"""Resource versions as clients may rely on them since 1.35: decimal numbers that can be compared (KEP-5504)."""

from __future__ import annotations

import random
import re

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MERGE = "application/merge-patch+json"
KINDS: dict[str, dict[str, object]] = {
    "/api/v1/namespaces/demo/configmaps": {},
    "/api/v1/namespaces/demo/secrets": {},
    "/api/v1/namespaces/demo/serviceaccounts": {},
    "/apis/coordination.k8s.io/v1/namespaces/demo/leases": {},
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": {},
    "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 1},
}


async def test_every_write_of_whatever_kind_has_a_higher_revision(http: Http) -> None:
    chance, last, alive = random.Random(5504), 0, set[str]()
    for number in range(120):
        place = chance.choice(sorted(KINDS))
        path = f"{place}/a{chance.randrange(3)}"
        if path not in alive:
            meta = {"name": path.rpartition("/")[2]}
            answer = await http("POST", place, {"metadata": meta, **KINDS[place]})
            alive.add(path)
        elif chance.random() < 0.3:
            body = {"metadata": {"finalizers": ["example.com/f"]}}
            await http("PATCH", path, body, MERGE)
            answer = await http("DELETE", path)
            last = _higher(answer.body["metadata"]["resourceVersion"], last)
            await http("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
            alive.discard(path)
            answer = await http("GET", place)
        else:
            answer = await http("PATCH", path, {"metadata": {"labels": {"n": str(number)}}}, MERGE)
        last = _higher(answer.body["metadata"]["resourceVersion"], last)


def _higher(text: str, last: int) -> int:
    assert re.fullmatch("[1-9][0-9]*", text), "decimal, no leading zero"
    assert int(text) > last
    assert int(text) < 1 << 128
    return int(text)
