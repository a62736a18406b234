"""Sections 1.3, 1.4 and 2: controllers, scheduler and store, which are parts of the server process here. Pure."""

from __future__ import annotations

from collections.abc import Callable

from wherry.app.benchmark.api_server import NO_NETWORK, UP, debugging, no_listener, others
from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, bad, either, good, of_plane, of_world
from wherry.app.benchmark.facts import Facts, Plane, World
from wherry.controllers.podgc import THRESHOLD

LATE = 0.75
"""A certificate is renewed at two thirds of its life; one as old as this was forgotten."""
ACCOUNT = "system:serviceaccount:kube-system:"
ENDED = ("Succeeded", "Failed")
FIND = "find out what listens there"


def old_certificates(kind: str) -> Callable[[Facts], Verdict]:
    """Whether agents' certificates with `kind` in their path are renewed in time."""

    def verdict(facts: Facts) -> Verdict:
        found = [one for node in facts.nodes for one in node.certificates if kind in one.path]
        if not found:
            return bad("there is no such certificate")
        return either(
            (f"{one.path}: {one.used:.0%} of its life is over" for one in found if one.used > LATE),
            "; ".join(f"{one.path}: {one.used:.0%} of its life is over" for one in found),
        )

    return verdict


def _ended(world: World) -> Verdict:
    count = sum(pod.get("status", {}).get("phase") in ENDED for pod in world.pods)
    seen = f"{count} pods have ended; the oldest beyond {THRESHOLD} are removed"
    return good(seen) if count <= THRESHOLD else bad(seen)


def _identities(plane: Plane) -> Verdict:
    shared = [name for name in plane.identities if not name.startswith(ACCOUNT)]
    return either((f"controllers act as {name}, all with the same rights" for name in shared), "each acts as itself")


def _token_key(plane: Plane) -> Verdict:
    keys = [one for one in plane.files if one.path.endswith("/pki/sa.key")]
    return good(f"tokens are signed with {keys[0].path}") if keys else bad("there is no pki/sa.key")


def _authorities(world: World) -> Verdict:
    told = world.authorities or {}
    return either(
        (f"namespace {name}: its ConfigMap kube-root-ca.crt is not the cluster's CA" for name, own in told.items()
         if not own),
        f"kube-root-ca.crt holds the cluster's CA in {len(told)} namespaces",
    )  # fmt: skip


def _local(facts: Facts) -> Verdict:
    """Whether metrics and health of a part are nowhere but behind the API's port."""
    if facts.plane is None:
        return away(ELSEWHERE)
    found = others(facts, facts.plane)
    return either(
        (f"the server process listens on {one}" for one in found if not one.startswith("127.")),
        "the server process listens on nothing but the API's port, which asks for credentials",
    )


def _peers(facts: Facts) -> Verdict:
    found = no_listener(facts)
    return away(f"there is one server, without peers: {NO_NETWORK}") if found.evidence == (NO_NETWORK,) else found


CHECKS: tuple[Check, ...] = (
    Check("1.3.1", "Pods that have ended are removed", of_world(_ended), "delete Jobs and pods that are over",
          person=True),
    Check("1.3.2", "The controllers serve no profiles", of_plane(debugging), f"run the installed version: {UP}"),
    Check("1.3.3", "Each controller has an account of its own", of_plane(_identities),
          f"run the installed version: {UP}"),
    Check("1.3.4", "Tokens are signed with a private key of their own", of_plane(_token_key), f"{UP} makes sa.key"),
    Check("1.3.5", "Pods are told the cluster's CA", of_world(_authorities),
          "delete the ConfigMap: the controller makes it again"),
    Check("1.3.6", "Agents' certificates are renewed", old_certificates("/server."),
          f"see `wherry logs`; {UP} renews what is due"),
    Check("1.3.7", "The controllers listen for nobody outside", _local, FIND),
    Check("1.4.1", "The scheduler serves no profiles", of_plane(debugging), f"run the installed version: {UP}"),
    Check("1.4.2", "The scheduler listens for nobody outside", _local, FIND),
    Check("2.1", "The store speaks TLS", no_listener, FIND),
    Check("2.2", "The store asks for client certificates", no_listener, FIND),
    Check("2.3", "The store signs no certificate for itself", no_listener, FIND),
    Check("2.4", "The store's peers speak TLS", _peers, FIND),
    Check("2.5", "The store's peers ask for client certificates", _peers, FIND),
    Check("2.6", "The store's peers sign no certificates for themselves", _peers, FIND),
    Check("2.7", "The store has a CA of its own", no_listener, FIND, person=True),
)  # fmt: skip
