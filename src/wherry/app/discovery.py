"""Finding a cluster to join without trusting whoever answers first.

What anybody may read (kube-public/cluster-info) names the cluster's CA. It is believed only if the CA's public key has
the hash that was given on the command line, and the text is signed with the token. From then on every connection is
verified against that CA, and only then is the token shown.
https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/#token-based-discovery-with-ca-pinning
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wherry.api.core.bootstrap_token import CONTENT, INFO, INFO_NAMESPACE, NAMESPACE, SIGNATURE, TOKEN, signature
from wherry.app.cluster_info import CLUSTER, SETTINGS, Shared
from wherry.app.config import ConfigError
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest, Target
from wherry.app.steps import Failed
from wherry.host import files, keys

SECONDS = 10.0
PIN = re.compile(r"sha256:[0-9a-f]{64}")
ADDRESS = re.compile(r"([A-Za-z0-9.-]+)(?::(\d{1,5}))?")
_INFO = f"/api/v1/namespaces/{INFO_NAMESPACE}/configmaps/{INFO}"
_CLUSTER = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CLUSTER}"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What `wherry token create` printed: where the API is (host:port), the token, the hash of the CA's key."""

    address: str
    token: str
    pin: str


def invitation(address: str, token: str, pin: str) -> Invitation:
    """The same from what a user typed. Raises ConfigError; what is wrong with the token is not repeated."""
    found = ADDRESS.fullmatch(address)
    if found is None or int(found[2] or 6443) > 65535:
        raise ConfigError(f"{address!r} is no address of an API; write it like 192.0.2.7:6443")
    if TOKEN.fullmatch(token) is None:
        raise ConfigError("--token is not a token; copy the command that `wherry token create` printed")
    if PIN.fullmatch(pin.lower()) is None:
        raise ConfigError(f"--ca-hash {pin!r} is not sha256: and 64 hexadecimal digits; copy the command again")
    return Invitation(f"{found[1]}:{found[2] or 6443}", token, pin.lower())


def bad_token() -> Failed:
    """The token does not let anybody in."""
    return Failed(
        "the token is wrong or has expired", "make a new one with `wherry token create` on the server's machine"
    )


def authority_of(info: Mapping[str, str], invited: Invitation) -> bytes:
    """The cluster's CA (PEM), from the data of cluster-info, once hash and signature agree. Raises Failed. Pure."""
    content = info.get(CONTENT, "")
    try:
        entry = yaml.safe_load(content)["clusters"][0]["cluster"]
        authority = base64.b64decode(entry["certificate-authority-data"])
        pins = keys.pins_of(authority)
    except (ValueError, KeyError, IndexError, TypeError, yaml.YAMLError) as error:
        raise Failed(f"{invited.address} does not say what cluster it is", "see whether it is a wherry API") from error
    if set(pins) != {invited.pin}:
        raise Failed(
            f"the cluster at {invited.address} has another CA ({', '.join(pins)}) than --ca-hash says",
            "copy the command of `wherry token create` again; if it is right, somebody answers in the server's place",
        )
    name, _, secret = invited.token.partition(".")
    if not hmac.compare_digest(info.get(SIGNATURE + name, ""), signature(content, name, secret.encode())):
        raise bad_token()
    return authority


def find(invited: Invitation, authority: Path) -> tuple[Rest, Shared]:
    """The API as the token's holder sees it, and the cluster's settings; the CA is written to `authority`.

    Raises Failed.
    """
    files.write(authority, authority_of(_info(invited.address), invited))
    rest = Rest(Target(f"https://{invited.address}", authority, token=invited.token), timeout=SECONDS)
    try:
        text = rest.get(_CLUSTER)["data"][SETTINGS]
        return rest, msgspec.json.decode(text, type=Shared)
    except ApiRefused as error:
        if error.status == 401:
            raise bad_token() from error
        raise Failed(f"{invited.address} refuses the token: {error}", "see whether it is meant for nodes") from error
    except ApiUnreachable as error:
        raise Failed(str(error), "use an address that the server's certificate names, such as its IP") from error
    except (KeyError, msgspec.DecodeError) as error:
        raise Failed(
            f"{invited.address} does not say how its networks are", "see whether it is a wherry API"
        ) from error


def _info(address: str) -> dict[str, str]:
    """What cluster-info says there; nobody is trusted yet, and nothing secret is sent. Raises Failed."""
    host, _, port = address.partition(":")
    try:
        connection = http.client.HTTPSConnection(host, int(port), timeout=SECONDS, context=keys.unverified_context())
        try:
            connection.request("GET", _INFO, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(
            f"nobody answers at {address}: {error}", "see whether the server runs and its port can be reached from here"
        ) from error
    try:
        found: Any = json.loads(body)["data"] if answer.status == 200 else None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise Failed(f"{address} does not say what cluster it is", "see whether it is a wherry API")
    return {str(name): str(value) for name, value in found.items()}
