"""Section 3: how people come in, and what is written down about them. Pure."""

from __future__ import annotations

from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, bad, either, good, look, of_plane, short
from wherry.app.benchmark.facts import Facts, Plane

BOOTSTRAP = "bootstrap.kubernetes.io/token"
LEGACY = "kubernetes.io/service-account-token"
CLIENTS = "kubernetes.io/kube-apiserver-client"


def _certificates(facts: Facts) -> Verdict:
    if facts.plane is None or facts.world is None:
        return away(ELSEWHERE)
    asked = [
        one["metadata"]["name"] for one in facts.world.requests if one.get("spec", {}).get("signerName") == CLIENTS
    ]
    ways = ", ".join(facts.plane.access) or "none: certificates and service accounts' tokens are all there is"
    return look(
        "admin.kubeconfig holds the administrator's certificate, which cannot be revoked",
        *short(f"CertificateSigningRequest {name} asked for a client certificate" for name in asked),
        f"other ways in: {ways}",
    )


def _tokens(facts: Facts) -> Verdict:
    if facts.plane is None or facts.world is None:
        return away(ELSEWHERE)
    kept = [name for name, kind in facts.world.secrets if kind == LEGACY]
    return look(
        f"{len(kept)} tokens without an end are kept in Secrets", *short(f"Secret {name}" for name in kept),
        f"other ways in: {', '.join(facts.plane.access) or 'none'}",
    )  # fmt: skip


def _bootstrap(facts: Facts) -> Verdict:
    if facts.world is None:
        return away(ELSEWHERE)
    kept = [name for name, kind in facts.world.secrets if kind == BOOTSTRAP]
    return look(f"{len(kept)} bootstrap tokens are there", *short(f"Secret {name}" for name in kept))


def _policy(plane: Plane) -> Verdict:
    if plane.audit is None:
        return bad("the audit log is turned off")
    told = [words for words, level in plane.audit.told.items() if level != "None"]
    return good(f"told: {'; '.join(told)}") if told else bad("the policy tells of nothing")


def _covers(plane: Plane) -> Verdict:
    if plane.audit is None:
        return bad("the audit log is turned off")
    return either(
        (f"not told: {words}" for words, level in plane.audit.told.items() if level == "None"),
        "; ".join(f"{words}: {level}" for words, level in plane.audit.told.items()),
    )


CHECKS: tuple[Check, ...] = (
    Check("3.1.1", "People do not come with client certificates", _certificates,
          "let people in through OIDC (docs/access.md); keep admin.kubeconfig for emergencies", person=True),
    Check("3.1.2", "People do not come with service accounts' tokens", _tokens,
          "let people in through OIDC; delete Secrets with tokens that no program uses", person=True),
    Check("3.1.3", "People do not come with bootstrap tokens", _bootstrap,
          "`wherry token list` shows them, `wherry token delete` removes those that are not needed", person=True),
    Check("3.2.1", "There is an audit policy", of_plane(_policy), "`wherry up --audit`, --audit-policy FILE",
          person=True),
    Check("3.2.2", "The audit policy covers what matters", of_plane(_covers),
          "a policy of your own may tell of what is only read: --audit-policy FILE (docs/audit.md)", person=True),
)  # fmt: skip
