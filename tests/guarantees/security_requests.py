"""Section 4.3: classes of CVEs in how requests are read: verbs, headers, framing, bombs."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

API = "tests/integration/apiserver"
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
                f"{API}/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[million laughs]",
                (
                    fault(
                        "aliases may expand to fifty times as much",
                        READER_PY,
                        "_NODES = 200_000",
                        "_NODES = 10_000_000",
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
                        "if len(patch) > MAX_OPERATIONS:",
                        "if len(patch) < 0:",
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
)
