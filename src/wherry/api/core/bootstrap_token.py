"""Bootstrap tokens: how a token `id.secret` lies in a Secret of kube-system, when it ends, and what it signs. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping

import msgspec

from wherry.machinery.time import seconds

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
GROUP = "system:bootstrappers"
EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
INFO_NAMESPACE, INFO = "kube-public", "cluster-info"
"""The ConfigMap that says what the cluster is; its `kubeconfig` is signed."""
CONTENT, SIGNATURE = "kubeconfig", "jws-kubeconfig-"


def end_of(data: Mapping[str, bytes]) -> float:
    """When a Secret's token expires, epoch seconds: never without an end; one whose end cannot be read has ended."""
    text = data.get("expiration", b"").decode("ascii", "replace")
    try:
        return seconds(text) if text else float("inf")
    except ValueError:
        return float("-inf")


def signature(content: str, token_id: str, token_secret: bytes) -> str:
    """The detached JWS (HS256; RFC 7515, appendix F) of `content`."""
    head = _encoded(msgspec.json.encode({"alg": "HS256", "kid": token_id}))
    signed = hmac.digest(token_secret, f"{head}.{_encoded(content.encode())}".encode(), hashlib.sha256)
    return f"{head}..{_encoded(signed)}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
