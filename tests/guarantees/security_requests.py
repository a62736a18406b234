"""Section 4.3, continued: what requests carry, and what admission makes of them."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

API = "tests/integration/apiserver"
UNIT = "tests/unit/apiserver"
READER_PY = "apiserver/yaml_reader.py"

ROWS = (
    Row(
        "4.3.07-verbs",
        "Reading is not running: exec, attach, portforward and nodes/proxy need `create`, by "
        "SPDY and WebSocket, at the "
        "API and at the agent (kubernetes #78741, #136550)",
        (
            Proof(
                f"{API}/test_access.py::test_reading_is_not_enough_to_run_commands",
                (
                    fault(
                        "the verb is that of the HTTP method alone",
                        "apiserver/pipeline.py",
                        "            if info.subresource in _RUNS and runs(",
                        "            if info.subresource == '' and runs(",
                    ),
                    fault(
                        "an upgrade through nodes/proxy is a read",
                        "apiserver/pipeline.py",
                        'else info.resource == "nodes" and upgrade',
                        "else False",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_agent_server.py::test_reading_is_not_running",
                (
                    fault(
                        "at the agent the verb is that of the HTTP method",
                        "node/delegation.py",
                        'verb = "create" if path.strip("/").partition("/")[0] in _RUNS else _VERBS.get(method, "get")',
                        'verb = _VERBS.get(method, "get")',
                    ),
                    fault(
                        "whoever has a token of the cluster may use the agent",
                        "node/delegation.py",
                        "return review.status.allowed",
                        "return True",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.08-front-proxy",
        "Headers that say who somebody is count only from the front proxy and in one spelling; they are stripped from "
        "what goes on (NCC F9W, YVU; CVE-2025-64484)",
        (
            Proof(
                f"{API}/test_outside_access.py::test_proxies_that_are_clients_do_not_start",
                (
                    fault(
                        "a proxy may have the authority of all clients",
                        "apiserver/authn/requestheader.py",
                        "if shared and not config.allowed_names:",
                        "if False:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_front_proxy.py::test_nobody_else_says_who_they_are",
                (
                    fault(
                        "any certificate makes its holder a proxy",
                        "apiserver/authn/authenticator.py",
                        "if named and issued_by(certificate, self._authorities(proxy.ca)):",
                        "if named or issued_by(certificate, self._authorities(proxy.ca)):",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_front_proxy.py::test_the_proxy_is_believed_in_one_spelling",
                (
                    fault(
                        "_ is as good as - in a header's name (CVE-2025-64484)",
                        "apiserver/authn/requestheader.py",
                        "    groups = [value for header in config.group_headers for value in "
                        "headers.getall(header, [])]\n",
                        "    groups = [v for k, v in headers.items() if k.lower().replace('_', '-') == "
                        "'x-remote-group']\n",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_front_proxy.py::test_whom_the_proxy_speaks_for_impersonates_by_right_only",
                (
                    fault(
                        "impersonation is free",
                        "apiserver/pipeline.py",
                        "return await self._api.authorizer.refused(Question(asked))",
                        "return None",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_aggregation.py::test_requests_go_through_under_the_users_name",
                (
                    fault(
                        "a client's X_Remote_User goes on to other servers",
                        "apiserver/aggregation/identity.py",
                        'plain = name.lower().replace("_", "-")',
                        "plain = name.lower()",
                    ),
                    fault(
                        "a client's credentials go on to other servers",
                        "apiserver/aggregation/identity.py",
                        '    "authorization", "connection",',
                        '    "connection",',
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.09-desync",
        "What two servers could read differently is refused, and the connection closed (CVE-2025-43859, CVE-2024-1135)",
        (
            Proof(
                f"{API}/test_desync.py::test_what_is_ambiguous_is_refused",
                (
                    fault(
                        "the parser is lenient",
                        "apiserver/server.py",
                        "            handler_cancellation=True,\n        )",
                        "            handler_cancellation=True,\n        )\n"
                        "        import aiohttp.web_protocol as lenient\n"
                        "        from aiohttp.http_parser import HttpRequestParserPy as parser\n"
                        "        parser.lax = True\n        lenient.HttpRequestParser = parser",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_desync.py::test_a_head_without_end_is_cut",
                (
                    fault(
                        "heads have no limit",
                        "apiserver/server.py",
                        "            max_field_size=64 * 1024,\n            max_line_size=64 * 1024,\n",
                        "            max_field_size=1 << 40,\n            max_line_size=1 << 40,\n",
                    ),
                ),
            ),
        ),
        missing="HTTP/2 is not spoken; versions of the parser are pinned in uv.lock",
    ),
    Row(
        "4.3.10-bombs",
        "Small bodies that want to be large are refused within a second and in 50 MB (CVE-2019-11253, CVE-2019-11254, "
        "CVE-2019-1002100)",
        (
            Proof(
                f"{API}/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[billion laughs]",
                (
                    fault(
                        "what aliases expand to is not counted",
                        READER_PY,
                        "            _count(node, [0], 0)\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[growing]",
                (
                    fault(
                        "copies of a patch may add any number of bytes (CVE-2019-1002100)",
                        "machinery/patch/json.py",
                        "MAX_COPIED: Final = 3 * 1024 * 1024",
                        "MAX_COPIED: Final = 3 * 1024 * 1024 * 1024",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[packed]",
                (
                    fault(
                        "a body may unpack to any size",
                        "apiserver/server.py",
                        "plain = unpack.decompress(data, BODY_LIMIT + 1)",
                        "plain = unpack.decompress(data)",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[many operations]",
                (
                    fault(
                        "a patch may have any number of operations",
                        "machinery/patch/json.py",
                        "if len(operations) > MAX_OPERATIONS:",
                        "if len(operations) < 0:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_metrics.py::test_nobody_can_make_series_without_end",
                (
                    fault(
                        "any method makes a series of its own (CVE-2020-8552)",
                        "apiserver/measures.py",
                        "        if not known and (plural or verb not in _METHODS):",
                        "        if False:",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.14-traffic",
        "Nobody draws traffic of others: no external addresses, no endpoints on the machine, none in another namespace "
        "(CVE-2020-8554, CVE-2021-25737, CVE-2021-25740)",
        (
            Proof(
                f"{API}/test_traffic.py::test_no_way_of_writing_a_service_takes_an_external_address",
                (
                    fault(
                        "external addresses are looked at in new Services only",
                        "apiserver/admission/external_ips.py",
                        "    if not had.issuperset(service.spec.external_ips):",
                        "    if old is None and not had.issuperset(service.spec.external_ips):",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_traffic.py::test_endpoints_are_never_on_the_machine_itself",
                (
                    fault(
                        "endpoints may be on loopback (CVE-2021-25737)",
                        "api/core/service_validation.py",
                        "    if found.is_loopback:",
                        "    if False:",
                    ),
                    fault(
                        "endpoints may be link-local",
                        "api/core/service_validation.py",
                        "    if found.is_link_local:",
                        "    if False:",
                    ),
                    fault(
                        "endpoints may be IPv4 inside IPv6",
                        "api/checks.py",
                        "    elif isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:",
                        "    elif False:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_traffic.py::test_endpoints_lead_to_no_pod_of_another_namespace",
                (
                    fault(
                        "endpoints may be pods of any namespace (CVE-2021-25740)",
                        "apiserver/admission/plugins.py",
                        "    endpoint_addresses.PLUGIN,\n",
                        "",
                    ),
                    fault(
                        "addresses that are not ready are not looked at",
                        "apiserver/admission/endpoint_addresses.py",
                        ', ("notReadyAddresses", subset.not_ready_addresses)',
                        ",",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_traffic.py::test_default_roles_write_no_endpoints",
                (
                    fault(
                        "editors may write endpoints (CVE-2021-25740)",
                        "apiserver/authz/bootstrap.json",
                        '["configmaps", "persistentvolumeclaims", "replicationcontrollers", '
                        '"replicationcontrollers/scale", "secrets", ',
                        '["configmaps", "endpoints", "persistentvolumeclaims", "replicationcontrollers", '
                        '"replicationcontrollers/scale", "secrets", ',
                    ),
                ),
            ),
        ),
        missing="a pod of another namespace that is given a listed address later; see row 3 for the packets themselves",
    ),
    Row(
        "4.3.17-doors",
        "What is asked of pods is asked of containers of every sort, and at every door by which pods change "
        "(CVE-2021-25735, CVE-2023-2727, CVE-2023-2728, CVE-2024-3177)",
        (
            Proof(
                f"{API}/test_pod_doors.py::test_secrets_that_an_account_does_not_name",
                (
                    fault(
                        "whole environments are not looked at (CVE-2024-3177)",
                        "apiserver/admission/mountable_secrets.py",
                        "    for source in container.env_from:",
                        "    for source in ():",
                    ),
                    fault(
                        "init containers are not looked at",
                        "apiserver/admission/mountable_secrets.py",
                        "    for container in pod.spec.init_containers:",
                        "    for container in ():",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_pod_doors.py::test_nor_by_an_ephemeral_container",
                (
                    fault(
                        "ephemeral containers are not looked at (CVE-2023-2728)",
                        "apiserver/admission/mountable_secrets.py",
                        'subresources=frozenset({"ephemeralcontainers"})',
                        'subresources=frozenset({"nothing"})',
                    ),
                ),
            ),
            Proof(
                f"{API}/test_pod_doors.py::test_a_mirror_pod_uses_no_secret_and_no_token",
                (
                    fault(
                        "a mirror pod may use Secrets",
                        "apiserver/admission/service_account.py",
                        'if any(kind == "secrets" for kind, _ in references(pod)):',
                        "if False:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_pod_doors.py::test_no_door_leads_past_a_standard",
                (
                    fault(
                        "a standard looks at main containers only (CVE-2023-2727)",
                        "apiserver/admission/podsecurity/finding.py",
                        "(*spec.init_containers, *spec.containers, *spec.ephemeral_containers)",
                        "(*spec.containers,)",
                    ),
                    fault(
                        "a resize may change everything of a container",
                        "apiserver/subresources/doors.py",
                        "replace(c, resources=wanted[c.name].resources, resize_policy=wanted[c.name].resize_policy)",
                        "wanted[c.name]",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_pod_doors.py::test_a_policy_is_asked_at_every_door",
                (
                    fault(
                        "policies are asked about objects, not about their subresources (CVE-2021-25735)",
                        "apiserver/admission/policies/validating.py",
                        "operations=_OPERATIONS, subresources=None)",
                        "operations=_OPERATIONS)",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.21-logs",
        "No credential and no Secret is logged, whatever fails (CVE-2019-11250, CVE-2020-8563 to -8566)",
        (
            Proof(
                f"{API}/test_log_secrets.py::test_no_word_of_a_credential_is_logged",
                (
                    fault(
                        "headers of requests are logged (CVE-2019-11250)",
                        "apiserver/server.py",
                        '        target, _, query = raw._message.path.partition("?")\n',
                        '        target, _, query = raw._message.path.partition("?")\n'
                        '        logger.debug("%s %s", target, dict(raw.headers))\n',
                    ),
                    fault(
                        "a token that cannot be reviewed is logged",
                        "apiserver/authn/webhook.py",
                        'log.warning("no token could be reviewed: %s", error)',
                        'log.warning("no token could be reviewed: %s: %s", token, error)',
                    ),
                    fault(
                        "a webhook's answer is logged",
                        "apiserver/webhooks/client.py",
                        "            response.close()  # what it says is not read: it may be somebody else's secret\n",
                        '            __import__("logging").getLogger(__name__).debug("%s", await response.text())\n',
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.23-node-owners",
        "A node says nothing of its own owners, labels of others and taints (CVE-2025-5187)",
        (
            Proof(
                f"{API}/test_access.py::test_an_agent_sees_what_its_pods_need",
                (
                    fault(
                        "a node may have itself collected (CVE-2025-5187)",
                        "apiserver/admission/node_restriction.py",
                        "    if node.metadata.owner_references != (old.metadata.owner_references if old is "
                        "not None else ()):",
                        "    if False:",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.24-audit-levels",
        "Bodies of Secrets, tokens and reviews are never in the audit log, whatever its policy says",
        (
            Proof(
                f"{API}/test_audit_log.py::test_bodies_by_level_and_never_of_secrets",
                (
                    fault(
                        "bodies of Secrets are told where the policy says so",
                        "apiserver/audit/policy.py",
                        '    ("", "secrets", ""), ',
                        "    ",
                    ),
                    fault(
                        "bodies of token requests are told where the policy says so",
                        "apiserver/audit/policy.py",
                        '("", "serviceaccounts", "token"), ',
                        "",
                    ),
                ),
            ),
        ),
    ),
)
