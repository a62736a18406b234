"""Section 4.2: what is secret and what is told: tokens, encryption at rest, calls to webhooks, the audit log."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

API = "tests/integration/apiserver"
UNIT = "tests/unit/apiserver"
ENCRYPTION = "tests/integration/app/test_encryption.py"
TOKENS_PY = "apiserver/authn/tokens.py"

ROWS = (
    Row(
        "4.2.bound-tokens",
        "A token is good for its audience, its time and as long as its pod, account and Secret are there",
        (
            Proof(
                f"{API}/test_access.py::test_a_token_dies_with_its_pod",
                (
                    fault(
                        "what a token is bound to need not be there",
                        TOKENS_PY,
                        "            if matters and not _stands(objects, objects.find(resource, namespace, ref.name), "
                        "ref.uid):",
                        "            if False:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_access.py::test_tokens_of_accounts",
                (
                    fault(
                        "an account need not be there",
                        TOKENS_PY,
                        "        if not _stands(objects, objects.find(SERVICEACCOUNT, namespace, name), "
                        "bound.serviceaccount.uid):",
                        "        if False:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_access.py::test_a_token_for_others_is_not_for_this_server",
                (
                    fault(
                        "a token for somebody else is taken",
                        TOKENS_PY,
                        "            shared = tuple(a for a in audiences if a in claims.audiences)",
                        "            shared = tuple(audiences)",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_access.py::test_a_secret_may_hold_a_token_without_end",
                (
                    fault(
                        "a token that was invalidated is taken",
                        TOKENS_PY,
                        "        if meta.deletion_timestamp is not None or LEGACY_INVALID in meta.labels:",
                        "        if meta.deletion_timestamp is not None:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_outside_access.py::test_bootstrap_tokens",
                (
                    fault(
                        "a bootstrap token has no end",
                        "apiserver/authn/bootstraptokens.py",
                        "    if end_of(data) <= now:\n        return None\n",
                        "",
                    ),
                    fault(
                        "the secret of a bootstrap token is not compared",
                        "apiserver/authn/bootstraptokens.py",
                        'if not hmac.compare_digest(data.get("token-secret", b""), secret.encode()):',
                        "if False:",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.encryption",
        "No Secret is on the disk in the clear; keys are rotated; a value that cannot be opened blocks only itself",
        (
            Proof(
                f"{ENCRYPTION}::test_what_is_named_is_sealed",
                (
                    fault(
                        "Secrets are stored as they are",
                        "app/sealing.py",
                        "return self._sealer.seal(key, value) if key.startswith(self._prefixes) else value",
                        "return value",
                    ),
                ),
            ),
            Proof(
                f"{ENCRYPTION}::test_rotation_under_a_running_server",
                (
                    fault(
                        "the new key is not used",
                        "host/sealer.py",
                        "        self.newest = next(iter(self._keys))",
                        "        self.newest = list(self._keys)[-1]",
                    ),
                ),
            ),
            Proof(
                f"{ENCRYPTION}::test_a_lost_key_costs_one_object",
                (
                    fault(
                        "an object that cannot be read is passed over in lists",
                        "apiserver/unreadable.py",
                        "    if not window.unreadable:\n        return\n",
                        "    return\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/host/test_sealer.py::test_sealed_values_are_bound_to_their_key",
                (
                    fault(
                        "a sealed value may be moved to another key",
                        "host/sealer.py",
                        "self._keys[self.newest].encrypt(nonce, value, key.encode())",
                        "self._keys[self.newest].encrypt(nonce, value, b'')",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.webhooks",
        "Webhooks have their time and their failure policy, and are never asked about what would repair them",
        (
            Proof(
                f"{API}/test_webhooks.py::test_a_server_starts_under_a_webhook_that_fails_everything",
                (
                    fault(
                        "webhooks are asked about webhooks",
                        "apiserver/webhooks/table.py",
                        "        if not hooks or asked.exempt:",
                        "        if not hooks:",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_webhooks.py::test_a_webhook_that_cannot_be_asked",
                (
                    fault(
                        "every webhook fails open",
                        "apiserver/admission/webhooks.py",
                        "    if not hook.ignores_failures:\n        raise _internal(text)\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_webhook_client.py::test_a_slow_webhook_times_out",
                (
                    fault(
                        "webhooks have any time",
                        "apiserver/webhooks/client.py",
                        "            async with asyncio.timeout(timeout_s):",
                        "            async with asyncio.timeout(40):",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.2.audit",
        "Every change is told before it is answered, with one id and how its user was known; a full disk is a policy",
        (
            Proof(
                f"{API}/test_audit_log.py::test_a_change_is_told_before_it_is_answered",
                (
                    fault(
                        "a record has an id of its own",
                        "apiserver/audit/auditor.py",
                        "            audit_id=request.audit_id,\n",
                        '            audit_id=f"{request.audit_id}x",\n',
                    ),
                ),
            ),
            Proof(
                f"{API}/test_audit_log.py::test_when_the_disk_is_full",
                (
                    fault(
                        "changes go on without a record where they must not",
                        "apiserver/audit/auditor.py",
                        "            if strict and not done:\n                raise ServiceUnavailable(UNTOLD)\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{UNIT}/test_audit.py::test_any_change_shows",
                (
                    fault(
                        "lines of the log are not chained",
                        "apiserver/audit/chain.py",
                        "    digest.update(body)\n",
                        "",
                    ),
                ),
            ),
            Proof(
                f"{API}/test_audit_webhook.py::test_credentials_of_a_kubeconfig_are_shown",
                (
                    fault(
                        "the client certificate is not shown",
                        "apiserver/webhooks/client.py",
                        "    if pair:\n        show(context, pair)\n",
                        "",
                    ),
                    fault(
                        "credentials are shown to every target",
                        "apiserver/webhooks/client.py",
                        "context = self._contexts.get(of)",
                        "context = next(iter(self._contexts.values()), None)",
                    ),
                ),
            ),
        ),
    ),
)
