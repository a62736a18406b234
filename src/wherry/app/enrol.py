"""A node's first certificates: the client's with a bootstrap token, the serving one as the node itself.

The keys are made here; the cluster signs requests (CertificateSigningRequest), as its rules or people approve them.
Later ones are the agent's business (`node/rotation.py`).
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wherry.aio.clock import Clock
from wherry.app.config import Config
from wherry.app.rest import Rest, Target
from wherry.app.steps import Failed
from wherry.app.up import pause
from wherry.host import enrolment

SIGNED_SECONDS = 30.0
POLL = 0.1
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def enrol(rest: Rest, config: Config, folder: Path, clock: Clock) -> None:
    """The node's certificates, into `folder`: the first with the token, the second with the first. Raises Failed."""
    name = config.hostname
    client = folder / "client.pem"
    pending = enrolment.ask(name)
    pending.keep(client, _signed(rest, pending.request, enrolment.CLIENT, clock))
    own = Rest(Target(config.api_url(), folder / "ca.crt", config.node_pair(name, "client").at(folder)))
    pending = enrolment.ask(name, (name,))
    pending.keep(folder / "server.pem", _signed(own, pending.request, enrolment.SERVING, clock))


def _signed(rest: Rest, request: bytes, signer: str, clock: Clock) -> bytes:
    """Ask for a certificate, and wait for it. Raises Failed."""
    made = rest.send("POST", _REQUESTS, body(request, signer))["metadata"]["name"]
    until = clock.monotonic() + SIGNED_SECONDS
    while True:
        status: Mapping[str, Any] = rest.get(f"{_REQUESTS}/{made}").get("status") or {}
        if status.get("certificate"):
            return base64.b64decode(status["certificate"])
        for condition in status.get("conditions", ()):
            if condition["type"] in ("Denied", "Failed"):
                why = condition.get("message") or condition.get("reason", "")
                raise Failed(f"the certificate request {made} is {condition['type'].lower()}: {why}", "choose --name")
        if clock.monotonic() > until:
            raise Failed(
                f"nobody signed the certificate request {made} within {SIGNED_SECONDS:.0f} s",
                "see whether the controllers run: `wherry status` on the server's machine",
            )
        pause(POLL)


def body(request: bytes, signer: str) -> dict[str, Any]:
    """A CertificateSigningRequest as JSON."""
    spec = {
        "request": base64.b64encode(request).decode(),
        "signerName": signer,
        "usages": list(enrolment.USAGES[signer]),
    }
    head = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**head, "metadata": {"generateName": "node-csr-"}, "spec": spec}
