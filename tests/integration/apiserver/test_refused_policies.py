"""A NetworkPolicy with an invalid block is refused with its cause, and the one before stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def policy(cidr: str, *without: str) -> dict[str, Any]:
    """Incoming from a block alone."""
    block = {"cidr": cidr, **({"except": list(without)} if without else {})}
    spec = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("bad", "field", "why"),
    [
        (policy("10.0.0.0/33"), "cidr", 'Invalid value: "10.0.0.0/33": must be a valid CIDR value'),
        (policy("everywhere"), "cidr", 'Invalid value: "everywhere": must be a valid CIDR value'),
        (policy(""), "cidr", "Required value"),
        (policy("10.0.0.0/8", "11.0.0.0/16"), "except[0]", "must be a strict subset of `cidr`"),
        (policy("10.0.0.0/8", "10.0.0.0/8"), "except[0]", "must be a strict subset of `cidr`"),
        (policy("10.0.0.0/8", "nowhere"), "except[0]", 'Invalid value: "nowhere": must be a valid CIDR value'),
    ],
)
async def test_an_invalid_block(http: Http, bad: dict[str, Any], field: str, why: str) -> None:
    created = await http("POST", POLICIES, policy("10.0.0.0/8", "10.1.0.0/16"))
    assert created.code == 201
    for method, path, body in (
        ("PUT", f"{POLICIES}/p", {**bad, "metadata": created.body["metadata"]}),
        ("POST", POLICIES, {**bad, "metadata": {"name": "q"}}),
    ):
        refused = await http(method, path, body)
        assert (refused.code, refused.body["reason"]) == (422, "Invalid")
        [cause] = refused.body["details"]["causes"]
        assert cause["field"] == f"spec.ingress[0].from[0].ipBlock.{field}"
        assert why in cause["message"]
    assert (await http("GET", f"{POLICIES}/p")).body == created.body
    assert (await http("GET", f"{POLICIES}/q")).code == 404
