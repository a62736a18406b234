"""Section 1.2: the API server, as it answers. Pure."""

from __future__ import annotations

from collections.abc import Callable

from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, bad, either, good, look, of_plane
from wherry.app.benchmark.facts import Door, Facts, Plane
from wherry.app.config import Config

EXTENDED = 3700
"""Seconds: a token for 3607 s that lives longer was extended."""
SILENT = "{} does not answer"
NO_NETWORK = "the store is files of the server process, which listens on nothing but the API's port"


def refuses_strangers(door: Door) -> Verdict:
    """Whether nobody gets in without credentials."""
    seen = f"{door.address} answers {door.nobody} to a request without credentials"
    return good(seen) if door.nobody == 401 else bad(seen)


def trusts_own_authority(door: Door) -> Verdict:
    """Whether a certificate of somebody else's CA is worth nothing."""
    if not door.nobody:
        return bad(SILENT.format(door.address))
    if door.stranger in (0, 401, 403):
        return good(f"{door.address} refuses a client certificate that the cluster's CA did not sign")
    return bad(f"{door.address} answers {door.stranger} to a client certificate that the cluster's CA did not sign")


def shows_certificate(door: Door) -> Verdict:
    """Whether it speaks TLS only, with a certificate of the cluster's CA."""
    if door.plain:
        return bad(f"{door.address} answers without TLS")
    return (
        bad(f"{door.address}: {door.verified}")
        if door.verified
        else good(f"{door.address}: signed by the cluster's CA")
    )


def strong(door: Door) -> Verdict:
    """Whether protocols and ciphers of old are refused."""
    if not door.nobody:
        return bad(SILENT.format(door.address))
    return either(
        (f"{door.address} speaks {one}" for one in door.weak),
        f"{door.address} refuses TLS before 1.2 and ciphers without forward secrecy or authenticated encryption",
    )


def others(facts: Facts, plane: Plane) -> tuple[str, ...]:
    """Where the server process listens beside the API's port."""
    return tuple(one for one in plane.listeners if not one.endswith(f":{facts.config.port}"))


def no_listener(facts: Facts) -> Verdict:
    """For what upstream's separate store is asked: it does not apply unless something listens."""
    if facts.plane is None:
        return away(ELSEWHERE)
    found = others(facts, facts.plane)
    return bad(*(f"the server process listens on {one}" for one in found)) if found else away(NO_NETWORK)


def debugging(plane: Plane) -> Verdict:
    """Whether nothing is served for debugging."""
    return either(
        (f"{path} is served ({status})" for path, status in plane.debugging.items() if status != 404),
        f"not there: {', '.join(plane.debugging)}",
    )


def _refused(name: str) -> Callable[[Plane], Verdict]:
    def verdict(plane: Plane) -> Verdict:
        status = plane.admission.get(name, 0)
        seen = f"what {name} forbids was tried as a dry run: {status}"
        return good(seen) if status in (403, 404, 422) else bad(seen)

    return verdict


def _built_in(name: str) -> Callable[[Plane], Verdict]:
    def verdict(plane: Plane) -> Verdict:
        return good(f"{name} is among the plugins that run") if name in plane.plugins else bad(f"{name} does not run")

    return verdict


def _asked(question: str, *, answer: bool) -> Callable[[Plane], Verdict]:
    def verdict(plane: Plane) -> Verdict:
        found = plane.may.get(question)
        seen = f"may {question}? {'not asked' if found is None else 'yes' if found else 'no'}"
        return good(seen) if found is answer else bad(seen)

    return verdict


def _admits_nothing_blindly(plane: Plane) -> Verdict:
    tried = {name: status for name, status in plane.admission.items() if status}
    return (
        either(
            (f"{name} let pass what it forbids ({status})" for name, status in tried.items() if status < 400),
            f"refused by admission: {len(tried)} of {len(tried)} dry runs",
        )
        if tried
        else bad("no dry run was refused")
    )


def _agents(plane: Plane) -> Verdict:
    if not plane.agents:
        return bad("no agent is there to be asked")
    return either(
        (f"the agent of {node} answers the API server with {status}" for node, status in plane.agents.items()
         if status != 200),
        f"agents that know the API server by its certificate: {', '.join(plane.agents)}",
    )  # fmt: skip


def _agents_known(facts: Facts) -> Verdict:
    return either(
        (f"{node.door.address} of {node.name}: {node.door.verified}" for node in facts.nodes if node.door.verified),
        "agents' certificates are signed by the cluster's CA",
    )


def _audit(judge: Callable[[Config], Verdict]) -> Callable[[Facts], Verdict]:
    def verdict(facts: Facts) -> Verdict:
        if facts.plane is None:
            return away(ELSEWHERE)
        return judge(facts.config) if facts.config.audit.enabled else bad("the audit log is turned off")

    return verdict


def _audit_log(facts: Facts) -> Verdict:
    if facts.plane is None:
        return away(ELSEWHERE)
    if facts.plane.audit is None or not facts.config.audit.enabled:
        return bad("the audit log is turned off")
    where = facts.config.audit_logs
    return good(f"kept in {where}") if facts.plane.audit.written else bad(f"{where} is empty")


def _at_least(what: str, value: float, least: float) -> Verdict:
    return good(f"{what}: {value:g}") if value >= least else bad(f"{what}: {value:g}, less than {least:g}")


def _sealed(facts: Facts) -> Verdict:
    if facts.plane is None:
        return away(ELSEWHERE)
    named = facts.config.encrypt
    if not {"secrets", "*"} & set(named):
        return bad(f"encrypted at rest: {', '.join(named) or 'nothing'}")
    return good(f"encrypted at rest: {', '.join(named)}")


def _sealed_well(plane: Plane) -> Verdict:
    if plane.plaintext:
        return bad(*(f"a value of Secret {name} lies in the store's files as it is" for name in plane.plaintext))
    keys = [one for one in plane.files if one.path.endswith("/pki/seal.key")]
    if not keys:
        return bad("there is no key to seal with")
    if not plane.sought:
        return look("AES-256-GCM; no Secret is there to be looked for in the store's files")
    return good(f"AES-256-GCM; of {plane.sought} Secrets that were looked for, none is in the store's files as it is")


def _ghosts(plane: Plane) -> Verdict:
    what = "a well-signed token of an account that is not there"
    return bad(f"{what} is believed") if plane.ghost else good(f"{what} is refused")


def _token_keys(plane: Plane) -> Verdict:
    key = [one for one in plane.files if one.path.endswith("/pki/sa.key")]
    if not key:
        return bad("there is no key of its own for tokens")
    return (
        good(f"keys of their own verify tokens: {', '.join(plane.token_keys)}") if plane.token_keys else bad("no key")
    )


def _extended(plane: Plane) -> Verdict:
    seen = f"a token for 3607 s lives {plane.token_seconds:.0f} s"
    return good(seen) if 0 < plane.token_seconds <= EXTENDED else bad(seen)


def _no_static_tokens(plane: Plane) -> Verdict:
    found = [one.path for one in plane.files if one.path.endswith((".csv", "tokens.txt"))]
    more = f"; the access file adds {', '.join(plane.access)}" if plane.access else ""
    return either((f"{path} looks like a file of tokens" for path in found), f"no file of tokens is there{more}")


def _pulls(plane: Plane) -> Verdict:
    return (
        good("every pod is made to pull") if plane.always_pulls else bad("a pod may use an image that is there already")
    )


UP = "`wherry up`"
SEAL = 'write "encrypt": ["secrets"] into <root>/cluster.json, start the server anew, run `wherry encryption rotate`'
CHECKS: tuple[Check, ...] = (
    Check("1.2.1", "Nobody is served without credentials", of_plane(lambda plane: refuses_strangers(plane.door)),
          "leave `anonymous` out of the AuthenticationConfiguration in the access file", person=True),
    Check("1.2.2", "No file of static tokens lets anybody in", of_plane(_no_static_tokens), "remove the file"),
    Check("1.2.3", "Services may not claim external IPs", of_plane(_refused("DenyServiceExternalIPs")),
          "take away the right to `services/externalips` from whoever the policy lets pass", person=True),
    Check("1.2.4", "The API server shows agents a client certificate", of_plane(_agents),
          f"see `wherry status`; {UP} issues the certificate again"),
    Check("1.2.5", "Agents are known by the cluster's CA", _agents_known, f"{UP} issues agents' certificates again"),
    Check("1.2.6", "Not everything is allowed", of_plane(_asked("a stranger list pods", answer=False)),
          "remove bindings that name system:authenticated, and webhooks in the access file that allow everything"),
    Check("1.2.7", "Nodes have rights of nodes", of_plane(_asked("a node read its own Node", answer=True)),
          "remove what denies it from the AuthorizationConfiguration in the access file"),
    Check("1.2.8", "Rights come from roles and bindings", of_plane(_asked("the scheduler bind pods", answer=True)),
          "restore the ClusterRoleBinding system:kube-scheduler by starting the server anew"),
    Check("1.2.9", "Events are limited", of_plane(_built_in("EventRateLimit")), f"run the installed version: {UP}",
          person=True),
    Check("1.2.10", "Admission does not let everything pass", of_plane(_admits_nothing_blindly),
          "look at mutating webhooks and policies that change what plugins judge"),
    Check("1.2.11", "Every pod pulls its images anew", of_plane(_pulls),
          "a MutatingAdmissionPolicy may set imagePullPolicy: Always; agents ask for credentials of private images"
          " that are there already in any case", person=True),
    Check("1.2.12", "Pods have service accounts that exist", of_plane(_refused("ServiceAccount")),
          f"run the installed version: {UP}"),
    Check("1.2.13", "Nothing is made in namespaces that are not there", of_plane(_refused("NamespaceLifecycle")),
          f"run the installed version: {UP}"),
    Check("1.2.14", "Nodes change only what is theirs", of_plane(_refused("NodeRestriction")),
          f"run the installed version: {UP}"),
    Check("1.2.15", "The API server serves no profiles", of_plane(debugging), f"run the installed version: {UP}"),
    Check("1.2.16", "An audit log is kept", _audit_log, f"{UP} --audit"),
    Check("1.2.17", "The audit log goes back 30 days",
          _audit(lambda config: _at_least("days", config.audit.days, 30)), f"{UP} --audit-days 30"),
    Check("1.2.18", "10 old files of the audit log are kept",
          _audit(lambda config: _at_least("files", config.audit.files, 10)), f"{UP} --audit-files 10"),
    Check("1.2.19", "Files of the audit log hold 100 MiB",
          _audit(lambda config: _at_least("MiB", config.audit.size, 100)), f"{UP} --audit-size 100"),
    Check("1.2.20", "Requests end in time", of_plane(lambda plane: look(
        f"{plane.door.address}: a request's body must be complete within {plane.body_seconds:g} s, and clients bound"
        " their requests with ?timeout=")),
        "decide whether proxies in front of the API need limits of their own", person=True),
    Check("1.2.21", "Tokens are worth nothing without their account", of_plane(_ghosts),
          f"run the installed version: {UP}"),
    Check("1.2.22", "Tokens are signed with a key of their own", of_plane(_token_keys), f"{UP} makes sa.key"),
    Check("1.2.23", "The store is reached with a certificate", no_listener, "find out what listens there"),
    Check("1.2.24", "The API is served over TLS alone", of_plane(lambda plane: shows_certificate(plane.door)),
          f"{UP} issues the certificate again"),
    Check("1.2.25", "Client certificates are of the cluster's CA",
          of_plane(lambda plane: trusts_own_authority(plane.door)), "look at requestHeader.caFile in the access file"),
    Check("1.2.26", "The store is known by its CA", no_listener, "find out what listens there"),
    Check("1.2.27", "Secrets are encrypted at rest", _sealed, SEAL, person=True),
    Check("1.2.28", "They are encrypted well", of_plane(_sealed_well),
          "`wherry encryption rotate` writes every value again under a new key", person=True),
    Check("1.2.29", "The API speaks TLS of today", of_plane(lambda plane: strong(plane.door)),
          "look at the machine's OpenSSL configuration", person=True),
    Check("1.2.30", "Tokens of pods end when they say", of_plane(_extended), f"run the installed version: {UP}"),
)  # fmt: skip
