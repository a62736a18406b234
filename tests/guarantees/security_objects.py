"""Section 4.3: classes of CVEs in what objects may say, and in what is written down about them."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

API = "tests/integration/apiserver"

ROWS = (
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
