"""Tokens: what is made of the flags, and what is refused."""

from __future__ import annotations

import pytest

from wherry.aio.clock import SystemClock
from wherry.app import tokens
from wherry.app.config import Config, ConfigError
from wherry.app.steps import Failed


def test_a_token_as_a_secret() -> None:
    made = tokens.secret("abcdef.0123456789abcdef", tokens.Wanted(description="rack 7"), 1_790_000_000)
    assert made["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert made["type"] == "bootstrap.kubernetes.io/token"
    assert made["stringData"] == {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "expiration": "2026-09-22T14:13:20Z",
        "description": "rack 7",
        "auth-extra-groups": "system:bootstrappers:wherry:default-node",
    }


def test_one_that_only_signs_has_no_end_and_no_groups() -> None:
    made = tokens.secret("abcdef.0123456789abcdef", tokens.Wanted(0, usages=("signing",)), 1_790_000_000)
    assert made["stringData"].keys() == {"token-id", "token-secret", "usage-bootstrap-signing"}


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("0", 0)])
def test_a_lifetime(text: str, seconds: float) -> None:
    assert tokens.lifetime(text) == seconds


@pytest.mark.parametrize("text", ["a day", "", "-1h", "24"])
def test_what_is_no_lifetime(text: str) -> None:
    with pytest.raises(ConfigError, match="write it like 24h"):
        tokens.lifetime(text)


def test_what_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(Failed, match="the 3 nodes of this machine share a network"):
        tokens.create(Config(nodes=3), tokens.Wanted(), SystemClock())
    with pytest.raises(ConfigError, match="must begin with system:bootstrappers:"):
        tokens.create(Config(), tokens.Wanted(groups=("system:masters",)), SystemClock())
    with pytest.raises(ConfigError, match="is not the id of a token"):
        tokens.delete(Config(), ("../x",))
