"""Section 4: the nodes of this machine: their files, their agents, their packet rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wherry.app.benchmark import api_server
from wherry.app.benchmark.check import Check, Verdict, bad, either, good, look, modes, of_nodes, owners, short
from wherry.app.benchmark.components import old_certificates
from wherry.app.benchmark.facts import Door, Facts, File, Node
from wherry.client.events import BURST, REFILL

READ_ONLY = ":10255"
RULES = "ip wherry"
"""The table of Services."""
UP = api_server.UP
CHMOD, CHOWN = "chmod 600 on the file that is named", "chown root:root on the file that is named"


def _each(judge: Callable[[Node], Verdict]) -> Callable[[Facts], Verdict]:
    """A check of every node of this machine, bad where one is."""

    def verdict(facts: Facts) -> Verdict:
        found = [(node.name, judge(node)) for node in facts.nodes]
        if not found:
            return bad("there is no node here")
        wrong = tuple(f"{name}: {line}" for name, one in found if one.status == "fail" for line in one.evidence)
        if wrong:
            return bad(*short(wrong))
        seen = short(f"{name}: {line}" for name, one in found for line in one.evidence)
        return look(*seen) if any(one.status == "manual" for _, one in found) else good(*seen)

    return verdict


def _at(door: Callable[[Door], Verdict]) -> Callable[[Facts], Verdict]:
    return _each(lambda node: door(node.door))


def _keys(node: Node) -> Iterator[File]:
    """With what the node comes to the API: agent, proxy and DNS are one process."""
    return (one for one in node.files if "/pki/client." in one.path)


def _authority(node: Node) -> Iterator[File]:
    return (one for one in node.files if one.path.endswith("/pki/ca.crt"))


def _by_rights(door: Door) -> Verdict:
    if door.bystander is None:
        return look(f"{door.address}: no token of an account without rights was there to be tried")
    seen = f"{door.address} answers {door.bystander} to the token of an account without rights"
    return good(seen) if door.bystander == 403 else bad(seen)


def _read_only(node: Node) -> Iterable[str]:
    yield from (f"the agent listens on {one}" for one in node.listeners if one.endswith(READ_ONLY))
    if node.door.plain:
        yield f"{node.door.address} answers without TLS"


def _rules(node: Node) -> Verdict:
    return good(f"table {RULES} is there") if RULES in node.tables else bad(f"there is no table {RULES}")


def _name(facts: Facts) -> Verdict:
    return either(
        (f"node {node.name} runs on a machine that is called {node.hostname}" for node in facts.nodes
         if node.name != node.hostname.lower()),
        f"named like the machine: {', '.join(node.name for node in facts.nodes)}",
    )  # fmt: skip


def _events(facts: Facts) -> Verdict:
    names = ", ".join(node.name for node in facts.nodes)
    return look(f"{names}: about one object {BURST} at once, then one every {REFILL:g} s; repetitions are counted")


def _streams(facts: Facts) -> Verdict:
    names = ", ".join(node.door.address for node in facts.nodes)
    return look(f"{names}: a stream lives as long as both ends keep it; there is no time after which an idle one ends")


CHECKS: tuple[Check, ...] = (
    Check("4.1.1", "Only root reads and writes what starts the agent", _each(lambda node: modes(node.unit, 0o600)),
          CHMOD),
    Check("4.1.2", "What starts the agent is root's", _each(lambda node: owners(node.unit)), CHOWN),
    Check("4.1.3", "Only root reads the proxy's credentials", _each(lambda node: modes(_keys(node), 0o600)), CHMOD,
          person=True),
    Check("4.1.4", "The proxy's credentials are root's", _each(lambda node: owners(_keys(node))), CHOWN, person=True),
    Check("4.1.5", "Only root reads the agent's credentials", _each(lambda node: modes(_keys(node), 0o600)), CHMOD),
    Check("4.1.6", "The agent's credentials are root's", _each(lambda node: owners(_keys(node))), CHOWN),
    Check("4.1.7", "Only root writes the CA that agents trust", _each(lambda node: modes(_authority(node), 0o644)),
          CHMOD, person=True),
    Check("4.1.8", "The CA that agents trust is root's", _each(lambda node: owners(_authority(node))), CHOWN,
          person=True),
    Check("4.1.9", "Only root reads and writes the agent's settings", _each(lambda node: modes(node.settings, 0o600)),
          "chmod 600 on <root>/cluster.json"),
    Check("4.1.10", "The agent's settings are root's", _each(lambda node: owners(node.settings)),
          "chown root:root on <root>/cluster.json"),
    Check("4.2.1", "Agents serve nobody without credentials", _at(api_server.refuses_strangers), f"{UP}"),
    Check("4.2.2", "Agents serve by rights", _at(_by_rights),
          "remove bindings that give `nodes/proxy` to all accounts"),
    Check("4.2.3", "Agents trust client certificates of the cluster's CA alone", _at(api_server.trusts_own_authority),
          f"{UP}"),
    Check("4.2.4", "Agents have no port without credentials", of_nodes(_read_only, "TLS alone, and nothing on 10255"),
          "find out what listens there", person=True),
    Check("4.2.5", "Streams that nobody uses end", _streams, "bound them in proxies in front of the API", person=True),
    Check("4.2.6", "Agents keep their packet rules", _each(_rules),
          "agents put them back within seconds; see `wherry logs`"),
    Check("4.2.7", "Nodes are called as their machines", _name, "give the node no name of its own: --hostname",
          person=True),
    Check("4.2.8", "Events are told as often as needed", _events, "decide whether what is told is enough", person=True),
    Check("4.2.9", "Agents show a certificate of the cluster's CA", _at(api_server.shows_certificate),
          f"{UP} issues it again", person=True),
    Check("4.2.10", "Agents' client certificates are renewed", old_certificates("/client."),
          f"{UP} renews what is due"),
    Check("4.2.11", "Agents' serving certificates are renewed", old_certificates("/server."),
          f"{UP} renews what is due", person=True),
    Check("4.2.12", "Agents speak TLS of today", _at(api_server.strong), "look at the machine's OpenSSL configuration",
          person=True),
    Check("4.2.13", "Pods may start only so many processes",
          of_nodes(lambda node: (f"{group} has no limit of processes" for group in node.unlimited),
                   "no pod's control group is without a limit"),
          "none yet: a node's last processes are kept free by eviction (pid.available)", person=True),
    Check("4.2.14", "Containers have a seccomp profile unasked",
          of_nodes(lambda node: (f"a process of {one} runs without seccomp" for one in node.unconfined),
                   "no process of a pod runs without seccomp"),
          "ask for it in pods: securityContext.seccompProfile.type: RuntimeDefault", person=True),
    Check("4.3.1", "The proxy's metrics are not for everybody",
          of_nodes(lambda node: (f"{one} gives metrics to anybody" for one in node.metrics),
                   "the agent gives metrics on its own port, to those who may read them"),
          "find out what listens there"),
)  # fmt: skip
