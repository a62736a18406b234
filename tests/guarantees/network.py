"""Sections 0, 2 and 4.3: network policies, and what pods and neighbours cannot do to a node."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

_FIREWALL = "tests/host/network/test_firewall.py"
_NEIGHBOURS = "tests/host/network/test_neighbours.py"
_SHOWS = "tests/host/shows/test_policy.py"
_TABLE = "network/rules/table.py"
_RULES = "network/rules/policy.py"
_POLICY = "network/policy.py"
_MEMBERS = "network/membership.py"

_DIRECTIONS = (
    fault(
        "rules for egress isolate nothing unless said",
        _POLICY,
        '("Ingress", "Egress") if spec.egress',
        '("Ingress",) if spec.egress',
    ),
    fault(
        "a namespace's peers are of every namespace", _POLICY, "there = one.namespace == self.namespace", "there = True"
    ),
    fault("exceptions of a block count", _RULES, "!= {{ {_networks(block.without)}", "{{ {_networks(block.without)}"),
    fault("a range is its first port", _RULES, 'f"{low}-{high}" if high > low', 'f"{low}" if high > low'),
    fault("names are of any protocol", _POLICY, "yield Name(protocol, port.port)", 'yield Name("tcp", port.port)'),
    fault(
        "the last policy wins",
        _MEMBERS,
        "for part in parts if part is not None}",
        "for part in list(parts)[-1:] if part is not None}",
    ),
    fault(
        "a namespace's labels stay what they were",
        _MEMBERS,
        "            self._namespaces[name] = labels",
        "            self._namespaces.setdefault(name, labels)",
    ),
    fault(
        "a label stays in the sets",
        _MEMBERS,
        "(addresses.add if present else addresses.discard)",
        "(addresses.add if present else addresses.__contains__)",
    ),
)

ROWS = (
    Row(
        "4.3.20 table",
        "what network policies say is what packets meet: generated policies against the specification's words",
        (
            Proof("tests/unit/network/test_policy_table.py::test_generated_policies_change_by_change", _DIRECTIONS),
            Proof(
                "tests/host/network/test_policy_table.py::test_generated_policies_change_by_change",
                (
                    fault("the receiver is not asked", _RULES, "    ip daddr vmap @ingress", ""),
                    fault(
                        "the node's own ports are not asked about",
                        _RULES,
                        "hook input priority -5",
                        "hook output priority -5",
                    ),
                    fault("what is refused goes on", _RULES, '"drop"]))', '"accept"]))'),
                ),
            ),
            Proof(
                "tests/host/network/test_policy_table.py::test_through_a_service_the_pod_behind_it_is_judged",
                (
                    fault(
                        "judged before translation", _RULES, "hook forward priority -5", "hook prerouting priority -150"
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.20 starts",
        "a policy is in force before a pod's first packet",
        (
            Proof(
                f"{_FIREWALL}::test_a_pod_waits_for_policies_older_than_itself",
                (
                    fault(
                        "policies that the watch has not brought",
                        "network/firewall.py",
                        "while seen.revision < made:",
                        "while False:",
                    ),
                ),
            ),
            Proof(
                f"{_SHOWS}::test_a_first_act_is_judged_already",
                (fault("the sender is not asked", _RULES, "hook forward priority -6", "hook output priority -6"),),
            ),
            Proof(
                f"{_SHOWS}::test_a_first_act_waits_while_the_api_is_away",
                (fault("containers do not wait", "app/guard.py", "        if scope.ips:", "        if False:"),),
            ),
        ),
    ),
    Row(
        "4.3.20 restarts",
        "no open window while an agent restarts or rules are replaced, and what is allowed goes on",
        (
            Proof(
                f"{_FIREWALL}::test_no_gap_in_a_restart_and_none_in_what_is_allowed",
                (
                    fault(
                        "the table goes before the new one comes",
                        "network/firewall.py",
                        "        anew = self._whole or not self._there\n",
                        "        await asyncio.to_thread(nft.run, rules.remove())\n        anew = True\n",
                    ),
                ),
            ),
            Proof(
                f"{_FIREWALL}::test_a_restart_brings_its_rules_into_the_chains_that_stand_there",
                (
                    fault("the table is made anew", _RULES, "        if not there:", "        if True:"),
                    fault("what is not wanted any more stays", _RULES, "there.sets.keys() - sets.keys()", "()"),
                ),
            ),
            Proof(
                "tests/unit/network/test_policy_table.py::test_generated_policies_change_by_change",
                (
                    fault(
                        "pods are led to new chains in the transaction that makes them",
                        _RULES,
                        "        return begin, put\n\n    def _steps",
                        "        return (together,)\n\n    def _steps",
                    ),
                ),
            ),
            Proof(
                "tests/host/network/test_service_rules_kept.py"
                "::test_a_restart_brings_its_rules_into_the_chains_that_stand_there",
                (
                    fault(
                        "the table of services is made anew",
                        "network/rules/nft.py",
                        "prepared < max(self._most, self._prepared)",
                        "True",
                    ),
                ),
            ),
            Proof(
                f"{_FIREWALL}::test_a_pod_without_address_in_the_api_is_known_after_a_restart",
                (
                    fault(
                        "only the API is asked",
                        "network/firewall.py",
                        "                    await self._recognise()\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{_FIREWALL}::test_a_flushed_table_comes_back",
                (
                    fault(
                        "nobody looks",
                        "network/firewall.py",
                        "if self._there and not await",
                        "if not self._there and not await",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "2.policies-last",
        "policies outlast the pods they are about, in a namespace that goes and when a pod is deleted by force",
        (
            Proof(
                "tests/integration/controllers/test_ends.py",
                (
                    fault(
                        "policies with the rest",
                        "controllers/namespace.py",
                        "for stage in ((POD,), (*others, *_custom(ctx.view)), last):",
                        "for stage in ((POD, *last), (*others, *_custom(ctx.view))):",
                    ),
                ),
            ),
            Proof(
                f"{_FIREWALL}::test_a_pod_deleted_by_force_stays_isolated_until_it_ends",
                (
                    fault(
                        "the rules go with the object",
                        "network/firewall.py",
                        "            self._members.shut(uid)",
                        "            self._members.put_pod(uid, None)",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.15 neighbours",
        "pods and neighbours do not reach a node's 127.0.0.1, speak in another's name, in IPv6, or as a router",
        (
            Proof(
                f"{_NEIGHBOURS}::test_a_pod_cannot_speak_in_the_name_of_another",
                (fault("any source", _TABLE, '    iifname "veth*" fib saddr . iif oif missing drop\n', ""),),
            ),
            Proof(
                f"{_NEIGHBOURS}::test_nobody_speaks_to_127_0_0_1_of_a_node",
                (
                    fault(
                        "open where another program opened it",
                        _TABLE,
                        '    iifname != "lo" ip daddr 127.0.0.0/8 drop\n',
                        "",
                    ),
                ),
            ),
            Proof(
                f"{_NEIGHBOURS}::test_a_pod_cannot_be_its_nodes_router",
                (
                    fault(
                        "links are open to IPv6",
                        "network/rules/seal.py",
                        """        '    iifname "veth*" drop\\n'\n""",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{_NEIGHBOURS}::test_a_pod_does_not_reach_its_node_past_its_policies",
                (
                    fault(
                        "links are open to IPv6",
                        "network/rules/seal.py",
                        """        '    iifname "veth*" drop\\n'\n""",
                        "",
                    ),
                ),
            ),
        ),
    ),
)
