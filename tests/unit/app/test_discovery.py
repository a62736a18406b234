"""A cluster is believed only when hash and token agree; what is wrong is said in one sentence."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from wherry.aio.clock import SystemClock
from wherry.api.core.bootstrap_token import signature
from wherry.app.cluster_info import public
from wherry.app.config import ConfigError
from wherry.app.discovery import Invitation, authority_of, invitation
from wherry.app.steps import Failed
from wherry.host import keys
from wherry.host.keys import Authority
from wherry.host.pairs import pair

TOKEN = "abcdef.0123456789abcdef"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Two CAs' certificates."""
    folder: Path = tmp_path_factory.mktemp("ca")
    made = [Authority(pair(folder, name), name, SystemClock()) for name in ("one", "two")]
    for one in made:
        one.ensure()
    return made[0].certificate_pem(), made[1].certificate_pem()


def info(authority: bytes, secret: bytes = b"0123456789abcdef") -> dict[str, str]:
    content = yaml.safe_dump(public("https://192.0.2.7:6443", authority))
    return {"kubeconfig": content, "jws-kubeconfig-abcdef": signature(content, "abcdef", secret)}


def invited(authority: bytes) -> Invitation:
    return Invitation("192.0.2.7:6443", TOKEN, keys.pins_of(authority)[0])


def test_the_authority_that_hash_and_token_vouch_for(authorities: tuple[bytes, bytes]) -> None:
    own, _ = authorities
    assert authority_of(info(own), invited(own)) == own


def test_nobody_else_is_believed(authorities: tuple[bytes, bytes]) -> None:
    own, other = authorities
    with pytest.raises(Failed, match=r"another CA .* than --ca-hash says; .* answers in the server's place"):
        authority_of(info(other), invited(own))
    with pytest.raises(Failed, match="another CA"):  # one that is ours does not bring in one that is not
        authority_of(info(own + other), invited(own))
    for wrong in (info(own, b"another secret.."), {"kubeconfig": info(own)["kubeconfig"]}):
        with pytest.raises(
            Failed, match="the token is wrong or has expired; make a new one with `wherry token create`"
        ):
            authority_of(wrong, invited(own))
    changed = info(own)
    changed["kubeconfig"] = changed["kubeconfig"].replace("192.0.2.7", "192.0.2.8")
    with pytest.raises(Failed, match="the token is wrong"):
        authority_of(changed, invited(own))


@pytest.mark.parametrize(
    "content",
    ["", "no yaml: [", "clusters: []", "clusters: 7", "clusters: [{cluster: {certificate-authority-data: '%'}}]",
     f"clusters: [{{cluster: {{certificate-authority-data: {base64.b64encode(b'nothing').decode()}}}}}]"],
)  # fmt: skip
def test_what_says_nothing(content: str, authorities: tuple[bytes, bytes]) -> None:
    with pytest.raises(Failed, match=r"192.0.2.7:6443 does not say what cluster it is"):
        authority_of({"kubeconfig": content}, invited(authorities[0]))


def test_an_invitation_as_typed() -> None:
    pin = "sha256:" + "0a" * 32
    assert invitation("192.0.2.7", TOKEN, pin.upper().replace("SHA", "sha")) == Invitation("192.0.2.7:6443", TOKEN, pin)
    assert invitation("a.example:443", TOKEN, pin).address == "a.example:443"
    for address, token, hash_ in (
        ("a b", TOKEN, pin), ("a:99999", TOKEN, pin), ("https://a", TOKEN, pin), ("a", "x.y", pin),
        ("a", TOKEN, "sha256:0a"), ("a", TOKEN, "0a" * 32),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            invitation(address, token, hash_)
        assert "x.y" not in str(caught.value)
