"""Flags of `wherry up` for the audit log and PodSecurity: what they keep and refuse, when the server restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from tests.support.apiserver import Authority
from wherry.apiserver.webhooks.client import Target
from wherry.app import auditing, podsecurity, up
from wherry.app import config as configuration
from wherry.app.config import Audit, Config, ConfigError, PodSecurity
from wherry.cli.server_options import FLAGS, server_options, with_flags
from wherry.cli.up import command as up_command


def flagged(config: Config, *arguments: str) -> Config:
    """The configuration after a command with these flags."""
    kept: list[Config] = []

    @click.command()
    @server_options
    def command(**given: Any) -> None:
        kept.append(with_flags(config, given))

    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return kept[0]


def test_every_flag_is_a_field_of_up() -> None:
    names = {parameter.name for parameter in up_command.params}
    for flag in FLAGS:
        assert flag.key in names
        assert hasattr(getattr(Config(), flag.section), flag.field)


def test_flags_are_kept_and_those_not_given_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = flagged(
        Config(), "--audit-policy", "policy.yaml", "--audit-days", "7", "--pod-security-enforce", "baseline"
    )
    assert first.audit == Audit(policy=str(tmp_path / "policy.yaml"), days=7.0)
    second = flagged(first, "--audit-policy", "", "--no-audit", "--pod-security-exempt-namespace", "a",
                     "--pod-security-exempt-namespace", "b")  # fmt: skip
    assert second.audit == Audit(enabled=False, days=7.0)
    assert second.pod_security == PodSecurity(enforce="baseline", exempt_namespaces=("a", "b"))
    assert flagged(second, "--pod-security-exempt-namespace", "").pod_security.exempt_namespaces == ()
    assert flagged(second) == second
    again = msgspec.json.decode(msgspec.json.encode(second), type=Config)
    assert again == second


def test_what_the_server_is_given(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("{kind: Policy, apiVersion: audit.k8s.io/v1, rules: [{level: None}]}")
    ca = Authority(tmp_path).certificate
    config = flagged(
        Config(), "--audit-policy", str(policy), "--audit-size", "5", "--audit-files", "3", "--audit-webhook",
        "https://audit.example:8443/in", "--audit-webhook-ca", str(ca), "--audit-webhook-mode", "blocking",
        "--audit-webhook-backoff", "2", "--audit-webhook-event-size", "102400", "--audit-on-failure", "refuse",
        "--pod-security-enforce", "baseline:v1.30", "--pod-security-warn", "restricted",
        "--pod-security-exempt-user", "system:serviceaccount:ops:deployer",
        "--pod-security-exempt-runtime-class", "gvisor",
    )  # fmt: skip
    audit = auditing.settings(config)
    assert audit is not None
    assert audit.policy.rules[0].level == "None"
    assert (audit.limits.size, audit.limits.count, audit.on_failure) == (5 * 1024 * 1024, 3, "refuse")
    assert audit.webhook is not None
    assert (audit.webhook.url, audit.webhook.ca) == ("https://audit.example:8443/in", ca.read_bytes())
    assert (audit.sending.mode, audit.sending.backoff, audit.sending.largest) == ("blocking", 2.0, 102_400)
    file = tmp_path / "audit.kubeconfig"
    file.write_text(f"clusters: [{{cluster: {{server: 'https://b', certificate-authority: {ca}}}}}]\n"
                    "users: [{user: {token: t}}]\n")  # fmt: skip
    named = auditing.settings(flagged(Config(), "--audit-webhook-config-file", str(file)))
    assert named is not None
    assert named.webhook == Target(url="https://b", ca=ca.read_bytes(), token="t")
    security = podsecurity.settings(config)
    policies = security.defaults
    assert [str(policies.enforce), str(policies.audit), str(policies.warn)] == [
        "baseline:v1.30", "privileged:latest", "restricted:latest",
    ]  # fmt: skip
    assert security.exempt_users == {"system:serviceaccount:ops:deployer"}
    assert security.exempt_runtime_classes == {"gvisor"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rules: [", "is no YAML"),
        ("- 1", "the audit policy cannot be read"),
        ("{kind: Policy, apiVersion: audit.k8s.io/v1, rules: [{level: Most}]}", "rules[0].level"),
        ("{kind: Policy, apiVersion: v1}", "expected kind Policy"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_bad_policy_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    """Before anything is started, in one line with the file's name."""
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        up.check_server(flagged(Config(), "--audit-policy", str(path)))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--audit-webhook", "http://audit.example"), "https://"),
        (("--audit-webhook", "https://audit.example/ x"), "https://"),
        (("--audit-webhook", "https://a", "--audit-webhook-ca", __file__), "holds no PEM certificates"),
        (("--audit-webhook", "https://a", "--audit-webhook-event-size", "-1"), "at least 0"),
        (("--audit-webhook", "https://a", "--audit-webhook-config-file", __file__), "leave the others out"),
        (("--audit-webhook-config-file", "/nowhere"), "/nowhere: No such file or directory"),
        (("--audit-webhook-config-file", __file__), "not YAML"),
        (("--audit-size", "0"), "at least 1 MiB"),
        (("--pod-security-enforce", "strict"), "'strict' is not one of privileged, baseline, restricted"),
        (("--pod-security-warn", "baseline:1.30"), "--pod-security-warn"),
        (("--pod-security-exempt-namespace", "A_b"), "the exempt namespace 'A_b' cannot exist"),
        (("--pod-security-exempt-runtime-class", "a/b"), "the exempt runtime class"),
    ],
)
def test_bad_values_are_named(flags: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        up.check_server(flagged(Config(), *flags))
    assert message in str(caught.value)


def test_the_server_restarts_when_what_it_is_given_changes(tmp_path: Path) -> None:
    """Also when only the policy's content does; agents never."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("1")
    plain = up.units(Config())
    assert configuration.PodSecurity() == Config().pod_security
    warned = up.units(flagged(Config(), "--pod-security-warn", "baseline"))
    config = flagged(Config(), "--audit-policy", str(policy))
    one = up.units(config)
    policy.write_text("2")
    two = up.units(config)
    traced = up.units(Config(tracing=str(policy)))
    assert len({units[0] for units in (plain, warned, one, two, traced)}) == 5
    assert {units[1:] for units in (plain, warned, one, two, traced)} == {plain[1:]}
