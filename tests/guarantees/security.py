"""Section 4.3: classes of CVEs that Kubernetes and its neighbours have had, as far as the API meets them."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

API = "tests/integration/apiserver"
AGENTS = f"{API}/test_agents.py"
AGENTS_PY = "apiserver/subresources/agents.py"
PROXY_PY = "apiserver/subresources/proxy.py"
CLIENT_PY = "apiserver/webhooks/client.py"
FORWARDING_PY = "apiserver/aggregation/forwarding.py"
PIPES = "the server goes on after a refused upgrade: a pipe under its own identity (CVE-2018-1002105)"
FOLLOWED = "a webhook's redirect is followed (CVE-2020-8561)"
UNVERIFIED = "the certificate of a webhook is not verified"

ROWS = (
    Row(
        "4.3.01-pipes",
        "A failed upgrade leaves no authenticated pipe to an agent, a pod or another API server (CVE-2018-1002105)",
        (
            Proof(
                f"{AGENTS}::test_a_refused_upgrade_leaves_no_pipe_to_the_agent",
                (
                    fault(
                        PIPES,
                        AGENTS_PY,
                        "            answer_plainly(client, status, body)\n            agent.close()\n",
                        "            client.write(head.raw + body)\n            await splice(client, agent)\n",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_a_refused_upgrade_leaves_no_pipe_to_a_pod",
                (fault(f"{PIPES}: of a pod's", PROXY_PY, "    if head.status != 101:", "    if head.status == 0:"),),
            ),
            Proof(
                f"{API}/test_aggregation.py::test_a_refused_upgrade_leaves_no_pipe_behind",
                (
                    fault(
                        f"{PIPES}: of another server's",
                        FORWARDING_PY,
                        "        if head.status != 101:",
                        "        if head.status == 0:",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.02-redirects",
        "A redirect by an agent or another API server is passed to nobody and followed by nobody "
        "(CVE-2018-1002102, CVE-2020-8559, CVE-2022-3172)",
        (
            Proof(
                f"{AGENTS}::test_an_agents_redirect_of_an_upgrade_is_passed_to_nobody",
                (
                    fault(
                        "an agent's redirect is passed on as it is",
                        AGENTS_PY,
                        "            answer_plainly(client, status, body)\n",
                        "            client.write(head.raw)\n            client.close()\n",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_an_agents_redirect_of_a_request_is_passed_to_nobody",
                (
                    fault(
                        "what an agent says of elsewhere is repeated",
                        AGENTS_PY,
                        "return (502, REDIRECTED) if 300 <= status < 400 else (status, body)",
                        "return status, body",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_aggregation.py::test_redirects_go_nowhere",
                (
                    fault(
                        "another server's redirect is followed",
                        FORWARDING_PY,
                        "allow_redirects=False",
                        "allow_redirects=True",
                    ),
                    fault(
                        "another server's redirect is passed on (CVE-2022-3172)",
                        FORWARDING_PY,
                        'if 300 <= response.status <= 399 and response.headers.get("Location"):',
                        "if response.status == 0:",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.03-webhook-redirects",
        "A webhook or issuer that sends elsewhere is not followed, and nothing of its answer is repeated "
        "(CVE-2020-8561)",
        (
            Proof(
                f"{API}/test_webhook_client.py::test_no_redirect_is_followed_and_nothing_of_it_is_repeated",
                (
                    fault(FOLLOWED, CLIENT_PY, "allow_redirects=False", "allow_redirects=True"),
                    fault(
                        "what a webhook answers to a refusal is repeated",
                        CLIENT_PY,
                        "raise _Refused(reasons.of_status(response.status))",
                        'raise _Refused(f"{reasons.of_status(response.status)}: secret")',
                    ),
                ),
            ),
            Proof(
                f"{API}/test_outside_access.py::test_an_issuer_that_sends_elsewhere_is_not_followed",
                (
                    fault(
                        "an issuer's redirect is followed",
                        "apiserver/authn/oidc.py",
                        "allow_redirects=False",
                        "allow_redirects=True",
                    ),
                ),
            ),
        ),
        missing="what is behind httpGet.host of probes is the Pod Security Standards' business (row 4.2)",
    ),
    Row(
        "4.3.04-proxied-addresses",
        "Proxies dial addresses that were checked, never names, never this machine; an agent is known by its node's "
        "name (CVE-2020-8562, CVE-2022-3294, KEP-4872)",
        (
            Proof(
                f"{AGENTS}::test_no_address_of_this_machine_is_dialled",
                (
                    fault(
                        "IPv4 inside IPv6 is not seen through",
                        PROXY_PY,
                        "            address = address.ipv4_mapped or address",
                        "            address = address",
                    ),
                    fault(
                        "link-local addresses are dialled: the metadata service of a cloud",
                        PROXY_PY,
                        "address.is_loopback or address.is_link_local or ",
                        "address.is_loopback or ",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_names_of_a_service_are_not_resolved",
                (
                    fault(
                        "endpoints that are names are taken",
                        PROXY_PY,
                        ' or piece.address_type == "FQDN":',
                        ":",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_who_is_not_the_node_gets_neither_request_nor_credentials",
                (
                    fault(
                        "an agent may have any certificate of the cluster",
                        "apiserver/apiserver.py",
                        "        context = ssl.create_default_context(cafile=str(config.client_ca))\n",
                        "        context = ssl.create_default_context(cafile=str(config.client_ca))\n"
                        "        context.check_hostname = False\n",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_a_node_that_says_it_is_the_api_server_is_not_asked",
                (
                    fault(
                        "an agent is known by its address",
                        AGENTS_PY,
                        "server_hostname=name",
                        "server_hostname=addresses[0]",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.05-verified",
        "TLS is verified towards webhooks, other API servers, agents, issuers and audit receivers",
        (
            Proof(
                f"{API}/test_webhook_client.py::test_another_authority_is_not_trusted",
                (
                    fault(
                        UNVERIFIED,
                        CLIENT_PY,
                        "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                        "    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n"
                        "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_webhook_client.py::test_a_certificate_for_another_service_is_refused",
                (
                    fault(
                        "the name in a webhook's certificate is not looked at",
                        CLIENT_PY,
                        "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                        "    context.check_hostname = False\n    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_aggregation.py::test_a_server_with_another_certificate_gets_nothing",
                (
                    fault(
                        "the certificate of another API server is not verified",
                        "apiserver/aggregation/remotes.py",
                        "            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN",
                        "            context.check_hostname = False\n            context.verify_mode = ssl.CERT_NONE",
                    ),
                ),
            ),
            Proof(
                f"{AGENTS}::test_who_is_not_the_node_gets_neither_request_nor_credentials",
                (
                    fault(
                        "the certificate of an agent is not verified",
                        "apiserver/apiserver.py",
                        "        context = ssl.create_default_context(cafile=str(config.client_ca))\n",
                        "        context = ssl.create_default_context(cafile=str(config.client_ca))\n"
                        "        context.check_hostname = False\n        context.verify_mode = ssl.CERT_NONE\n",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_audit_webhook.py::test_a_receiver_nobody_vouches_for_gets_nothing",
                (
                    fault(
                        "the certificate of an audit receiver is not verified",
                        CLIENT_PY,
                        "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                        "    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n"
                        "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
                    ),
                ),
            ),
        ),
        missing="an https proxy of a pod or Service is not verified, as upstream: pods' certificates are their own",
    ),
    Row(
        "4.3.06-paths",
        "What is authorised is what is read, whatever the segments of a path (NCC RKV, CVE-2022-3162, CVE-2019-11247)",
        (
            Proof(
                f"{API}/test_paths.py::test_odd_paths_lead_nowhere_else",
                (
                    fault(
                        "a segment is decoded once more after the decision",
                        "apiserver/handlers.py",
                        "async def dispatch(api: Api, request: Request, info: RequestInfo) -> Answer:\n",
                        "async def dispatch(api: Api, request: Request, info: RequestInfo) -> Answer:\n"
                        "    from dataclasses import replace as again\n    from posixpath import normpath\n"
                        "    from urllib.parse import unquote\n"
                        "    whole = normpath('/' + unquote(info.namespace) + '/' + unquote(info.name)).split('/')\n"
                        "    info = again(info, namespace=whole[1], name=whole[2]) if len(whole) == 3 and info.name "
                        "else info\n",
                    ),
                    fault(
                        "a namespace may be `..`, as a slash in a segment may be one",
                        "apiserver/routes.py",
                        'if text in ("", ".", "..") or "/" in text or "\\0" in text:',
                        'if text == "":',
                    ),
                ),
            ),
            Proof(
                f"{API}/test_paths.py::test_the_scope_of_a_resource_is_not_the_paths",
                (
                    fault(
                        "a resource without namespaces is served below a namespace (CVE-2019-11247)",
                        "apiserver/handlers.py",
                        '    if not resource.namespaced and info.namespace and info.resource != "namespaces":\n'
                        "        raise nothing_there()\n",
                        "",
                    ),
                ),
            ),
        ),
    ),
)
