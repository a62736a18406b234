"""Sections 4.1 and 4.2: hardening, Pod Security Standards, rights and escalation, impersonation, nodes."""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault

API = "tests/integration/apiserver"
UNIT = "tests/unit/apiserver"
ORACLE = "tests/oracles/test_pod_security.py::test_every_version_judges_as_upstream"
BENCH = "tests/unit/app/benchmark/test_checks.py"
HARDENING = "tests/integration/app/test_hardening.py"
BASELINE_PY = "apiserver/admission/podsecurity/baseline.py"
NODES_PY = "apiserver/admission/node_restriction.py"

ROWS = (
    Row(
        "4.1.cis",
        "A control plane is hardened as it is made: files, strangers, TLS, admission, audit log, administrators",
        (
            Proof(
                f"{HARDENING}::test_files_are_roots_alone",
                (
                    Fault(
                        "the store is readable for others",
                        (
                            Edit(
                                "store/database.py",
                                "os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))",
                                "os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))",
                            ),
                            Edit(
                                "store/database.py",
                                "            file.chmod(0o600)",
                                "            file.chmod(0o644)",
                            ),
                        ),
                    ),
                ),
            ),
            Proof(
                f"{HARDENING}::test_strangers_get_health_and_nothing_else",
                (
                    fault(
                        "strangers may see whatever rules let them",
                        "apiserver/authn/authenticator.py",
                        "        if not self.enabled:\n            return False\n",
                        "        if self.enabled:\n            return True\n",
                    ),
                ),
            ),
            Proof(
                f"{HARDENING}::test_tls_is_of_today",
                (
                    fault(
                        "ciphers of old are taken",
                        "apiserver/server.py",
                        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
                        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
                        '    context.set_ciphers("ALL:@SECLEVEL=0")\n',
                    ),
                ),
            ),
            Proof(
                f"{HARDENING}::test_what_is_written_down_unasked",
                (
                    fault(
                        "no audit log is kept unasked",
                        "app/config.py",
                        "    enabled: bool = True\n    policy",
                        "    enabled: bool = False\n    policy",
                    ),
                ),
            ),
            Proof(
                f"{HARDENING}::test_what_admission_does_unasked",
                (
                    fault(
                        "nodes are not restricted unasked",
                        "apiserver/admission/plugins.py",
                        "    node_restriction.PLUGIN,\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{BENCH}::test_what_is_wrong_is_seen",
                (
                    fault(
                        "modes of files are not judged",
                        "app/benchmark/check.py",
                        "if file.mode & ~most else",
                        "if file.mode < 0 else",
                    ),
                    fault(
                        "an account of somebody else's counts as a part of the system",
                        "app/benchmark/rights.py",
                        "return part and _built_in(binding)",
                        "return True",
                    ),
                ),
            ),
            Proof(
                "tests/integration/app/test_benchmark.py::test_a_control_plane_as_it_is_made",
                (
                    fault(
                        "ciphers without authenticated encryption are taken",
                        "aio/tls.py",
                        '"ECDHE+AESGCM:ECDHE+CHACHA20"',
                        '"ECDHE+AESGCM:ECDHE+AES"',
                    ),
                ),
            ),
            Proof(
                "tests/integration/app/test_accounts.py::test_a_policy_that_lets_only_the_garbage_collector_delete",
                (
                    fault(
                        "controllers act as one user",
                        "app/assemble.py",
                        "loaded, queues.know, partial(_acting, api))",
                        "loaded, queues.know)",
                    ),
                ),
            ),
        ),
        missing="controllers in the server's process are not asked for rights; what only a person can judge",
    ),
    Row(
        "4.2.pod-security",
        "The Pod Security Standards judge every pod of upstream's own 4,500 as upstream does, in every version",
        (
            Proof(
                ORACLE,
                (
                    fault(
                        "a sysctl is allowed a version too late",
                        BASELINE_PY,
                        '    (27, ("net.ipv4.ip_local_reserved_ports",)),',
                        '    (28, ("net.ipv4.ip_local_reserved_ports",)),',
                    ),
                    fault(
                        "ports of the node are not looked at",
                        BASELINE_PY,
                        "taken = {str(port.host_port) for port in container.ports if port.host_port}",
                        "taken = set[str]()",
                    ),
                    fault(
                        "hostIPC is forgotten",
                        BASELINE_PY,
                        ', ("hostIPC", spec.host_ipc)]',
                        "]",
                    ),
                    fault(
                        "a check of restricted does not take the place of baseline's",
                        "apiserver/admission/podsecurity/evaluate.py",
                        "    rules = [rule for rule in BASELINE if rule.name not in replaced] + strict",
                        "    rules = [rule for rule in BASELINE if rule.name not in replaced]",
                    ),
                ),
            ),
            Proof(
                f"{UNIT}/test_pod_security.py::test_no_kind_of_container_escapes",
                (
                    fault(
                        "ephemeral containers are not looked at by a standard",
                        "apiserver/admission/podsecurity/finding.py",
                        "(*spec.init_containers, *spec.containers, *spec.ephemeral_containers)",
                        "(*spec.init_containers, *spec.containers)",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.escalation",
        "No sequence of writes to roles and bindings gives their writer a right that they did not have",
        (
            Proof(
                f"{API}/test_escalation.py::test_no_sequence_of_writes_escalates",
                (
                    fault(
                        "the rules of a changed role are not held against what its writer has",
                        "apiserver/admission/escalation.py",
                        "    if old is None or role.rules != old.rules:",
                        "    if old is None:",
                    ),
                    fault(
                        "anybody who may write bindings may bind",
                        "apiserver/admission/escalation.py",
                        "    _require(api, ctx, api.authorizer.rbac.rules_of(ref, ctx.namespace))",
                        "    return",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_escalation.py::test_a_role_that_one_holds_is_not_made_wider",
                (
                    fault(
                        "anybody may aggregate",
                        "apiserver/admission/escalation.py",
                        "        if role.aggregation_rule != before:",
                        "        if False:",
                    ),
                    fault(
                        "a rule for one name covers all names",
                        "apiserver/authz/rules.py",
                        "        and (not rule.resource_names or (bool(small.resource_names) and "
                        "small.resource_names[0] in rule.resource_names))",
                        "",
                    ),
                    fault(
                        "groups of a rule are not compared",
                        "apiserver/authz/rules.py",
                        "        _has(rule.api_groups, small.api_groups[0])\n        and "
                        "(_has(rule.resources, resource)",
                        "        (_has(rule.resources, resource)",
                    ),
                    fault(
                        "a prefix of a path covers what is longer",
                        "apiserver/authz/rules.py",
                        'return pattern in ("*", url) or (pattern.endswith("*") and '
                        'url.rstrip("*").startswith(pattern[:-1]))',
                        'return pattern in ("*", url) or url.rstrip("*").startswith(pattern.rstrip("*"))',
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.impersonation",
        "Whom somebody acts as is checked user by user, group by group, uid and extra; constrained to the action",
        (
            Proof(
                f"{API}/test_access.py::test_impersonation_needs_the_right_to_it",
                (
                    fault(
                        "impersonation is not checked",
                        "apiserver/authn/impersonation.py",
                        "        if refusal is not None:\n            return refusal\n",
                        "        if refusal is not None:\n            return None\n",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_access.py::test_constrained_impersonation_is_for_one_action",
                (
                    fault(
                        "the action is not checked",
                        "apiserver/authn/impersonation.py",
                        "        asked.insert(0, replace(action, user=acting, "
                        'verb=f"impersonate-on:{mode}:{action.verb}"))',
                        "        pass",
                    ),
                    fault(
                        "groups are not checked",
                        "apiserver/authn/impersonation.py",
                        "    for one in other.groups:\n        yield Attributes",
                        "    for one in ():\n        yield Attributes",
                    ),
                    fault(
                        "uids are not checked",
                        "apiserver/authn/impersonation.py",
                        "    if other.uid:\n        yield Attributes",
                        "    if False:\n        yield Attributes",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.nodes",
        "A node touches itself, its Lease and the pods bound to it; Secrets only that a pod on it uses",
        (
            Proof(
                f"{API}/test_access.py::test_an_agent_sees_what_its_pods_need",
                (
                    fault(
                        "a node reads every Secret",
                        "apiserver/authz/node.py",
                        "return asked.verb in _READ and (self._refers(asked, asked.resource) or "
                        "self._certifies(asked))",
                        "return asked.verb in _READ",
                    ),
                    fault(
                        "a list without a name is one's own",
                        "apiserver/authz/node.py",
                        "        if not asked.name:\n            return False\n        return any(",
                        "        if not asked.name:\n            return True\n        return any(",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_admission.py::test_an_agent_changes_only_its_own_node",
                (
                    fault(
                        "a node changes its taints",
                        NODES_PY,
                        "    if old is not None and node.spec.taints != old.spec.taints:",
                        "    if False:",
                    ),
                    fault(
                        "a node sets any label",
                        NODES_PY,
                        "    return not official or key in _KUBELET_LABELS",
                        "    return True or key in _KUBELET_LABELS",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_admission.py::test_an_agent_touches_only_pods_on_its_node",
                (
                    fault(
                        "a node writes the status of pods elsewhere",
                        NODES_PY,
                        "def _pod_status(ctx: Context[Any], own: str, pod: Pod, old: Pod | None) -> None:\n"
                        "    if old is None or old.spec.node_name != own:",
                        "def _pod_status(ctx: Context[Any], own: str, pod: Pod, old: Pod | None) -> None:\n"
                        "    if old is None:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_admission.py::test_an_agent_gets_tokens_for_its_pods_and_their_audiences",
                (
                    fault(
                        "a node gets tokens of pods elsewhere",
                        "apiserver/admission/node_tokens.py",
                        "    if entry.obj.spec.node_name != own:\n"
                        '        raise forbidden(ctx, "node requested token bound',
                        '    if False:\n        raise forbidden(ctx, "node requested token bound',
                    ),
                    fault(
                        "a node gets tokens for any audience",
                        "apiserver/admission/node_tokens.py",
                        "    if audience in _audiences(api, entry.obj) or",
                        "    if True or",
                    ),
                ),
            ),
        ),
    ),
)
