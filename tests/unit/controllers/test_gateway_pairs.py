"""Certificates of Gateways are read once for each revision of their Secret: to check an RSA key takes long."""

from __future__ import annotations

from tests.support.view import FakeView
from wherry.aio.clock import SystemClock
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Secret
from wherry.controllers.gatewayworld import Pairs
from wherry.host.selfsigned import self_signed
from wherry.machinery.meta import Key, ObjectMeta

KEY = Key("d", "s")


def secret(revision: str, pem: bytes) -> Secret:
    """A certificate and its key in one, for both fields."""
    meta = ObjectMeta(name="s", namespace="d", uid="u", resource_version=revision)
    return Secret(metadata=meta, data={"tls.crt": pem, "tls.key": pem})


def test_a_secret_is_read_again_when_it_is_another() -> None:
    pairs, good = Pairs(), self_signed("x.test", SystemClock())
    view = FakeView()
    assert pairs.problem(view, KEY) == "there is none"
    view.put(SECRET, secret("1", good))
    assert pairs.problem(view, KEY) == ""
    view.put(SECRET, secret("1", b"nonsense"))
    assert pairs.problem(view, KEY) == "", "the same revision is not read again"
    view.put(SECRET, secret("2", b"nonsense"))
    assert pairs.problem(view, KEY).startswith("tls.crt is not a PEM certificate")
    pairs.keep({KEY: ""})
    view.put(SECRET, secret("2", good))
    assert pairs.problem(view, KEY) != ""
    pairs.keep({})
    assert pairs.problem(view, KEY) == "", "what nobody asked for is forgotten"
