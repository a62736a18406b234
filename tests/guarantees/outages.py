"""Section 3: no outage, whatever is done to the cluster."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

ROWS = (
    Row(
        "3.zero-downtime",
        "A rolling update, a drain, a restart or kill of any part and an upgrade drop no request",
        (
            Proof(
                "tests/unit/network/test_drain.py::test_a_node_that_does_not_answer_yet_is_waited_for",
                (
                    fault(
                        "a node whose agent is being started anew is taken for one without rules",
                        "network/drain.py",
                        "            await asyncio.sleep(AGAIN)\n",
                        "            return\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_drain.py::test_what_was_sent_before_has_a_moment_to_arrive",
                (
                    fault(
                        "SIGTERM comes as soon as all rules are current: what waits to be accepted is reset (#43576)",
                        "network/drain.py",
                        "            await asyncio.sleep(self._settle)\n",
                        "            pass\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_drain.py"
                "::test_an_agent_that_has_heard_nothing_yet_does_not_take_that_for_an_answer",
                (
                    fault(
                        "an agent that was killed while a pod drained signals it before it knows who sends it requests",
                        "network/drain.py",
                        "                await self._caches.synced((ENDPOINTSLICE, SERVICE, NODE))",
                        "                pass",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_dns_early.py::test_the_server_answers_what_was_held",
                (
                    fault(
                        "queries that came while an agent was loaded are lost",
                        "network/dns.py",
                        "        for message, client in await asyncio.to_thread(self._before):",
                        "        for message, client in ():",
                    ),
                ),
            ),
        ),
        longer="1,000,000 requests through every disturbance of three nodes: `make disruption`",
    ),
    Row(
        "3.lost-node",
        "A node that freezes, dies or is cut off fails no request to another node that may be sent twice; others are "
        "answered soon",
        (
            Proof(
                "tests/unit/network/test_ingress_doubts.py"
                "::test_what_haproxy_is_told_as_a_node_falls_silent_and_comes_back",
                (
                    fault(
                        "requests that wait for a pod that hangs wait on",
                        "network/ingress/maps.py",
                        '            yield f"shutdown sessions server {server}"\n',
                        "            yield from ()\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_ingress_doubts.py::test_what_may_have_been_done_is_not_sent_again",
                (
                    fault(
                        "a POST that may have been done is sent once more",
                        "network/ingress/config.py",
                        '    yield "    http-request disable-l7-retry unless { method GET HEAD OPTIONS }"\n',
                        "    yield from ()\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_ingress_doubts.py::test_a_suspicion_takes_the_last_place_from_nobody",
                (
                    fault(
                        "an application that only a silent node has is taken away",
                        "network/ingress/maps.py",
                        "            if len(doubted) < len(endpoints):\n",
                        "            if True:\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/network/test_neighbours.py"
                "::test_an_agent_that_starts_anew_is_refused_by_its_kernel_and_not_silent",
                (
                    fault(
                        "an agent that is being upgraded makes its node silent",
                        "network/neighbours.py",
                        "            return error.errno in _SIGNS\n",
                        "            return False\n",
                    ),
                ),
            ),
        ),
        longer="a node frozen, then killed, under visitors at https: `tests/host/shows/test_lost_node.py`; WordPress: "
        "`make outage`",
    ),
    Row(
        "3.udp-conntrack",
        "UDP clients that keep their port follow the endpoints of their Service, also past a restart of the proxy",
        (
            Proof(
                "tests/host/network/test_service_rules.py::test_udp_client_follows_its_endpoint_away",
                (
                    fault(
                        "connections to a target that left are not forgotten (kubernetes #48370)",
                        "network/proxy.py",
                        'if front.protocol == "udp":',
                        'if front.protocol == "none":',
                    ),
                ),
            ),
            Proof(
                "tests/host/network/test_service_rules.py"
                "::test_udp_client_follows_what_changed_while_there_was_no_proxy",
                (
                    fault(
                        "a proxy that starts does not look for connections to targets that left before (#126130)",
                        "network/proxy.py",
                        "        if work.whole:  # what has left",
                        "        if work.whole and work.revision < 0:  # what has left",
                    ),
                ),
            ),
        ),
    ),
)
