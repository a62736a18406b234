"""Flags of `wherry up` for what the server writes down, asks of pods, and asks for sites; kept like the others.

Each flag is a field of the configuration; a flag that is not given leaves the field as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from wherry.app.config import Acme, Config


@dataclass(frozen=True, slots=True)
class Flag:
    """`section.field` of the configuration, set by `--name`."""

    section: str
    field: str
    name: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The argument's name in Python."""
        return f"{self.section}_{self.field}"

    @property
    def several(self) -> bool:
        """Whether it may be given several times."""
        return bool(self.settings.get("multiple"))


def _file(help: str) -> Mapping[str, Any]:
    return {"metavar": "FILE", "help": help}


_LEVEL = "LEVEL[:VERSION]"
FLAGS = (
    Flag("audit", "enabled", "--audit/--no-audit", {"help": "Keep an audit log.  [default: yes]"}),
    Flag("audit", "policy", "--audit-policy", _file('audit.k8s.io/v1 Policy; "" for the default one.')),
    Flag("audit", "size", "--audit-size", {"type": int, "metavar": "MIB", "help": "Of a log file.  [default: 100]"}),
    Flag("audit", "days", "--audit-days", {"type": float, "help": "How long log files are kept.  [default: 30]"}),
    Flag("audit", "files", "--audit-files", {"type": int, "help": "How many old log files are kept.  [default: 10]"}),
    Flag("audit", "on_failure", "--audit-on-failure", {
        "type": click.Choice(["continue", "refuse"]), "help": "When records cannot be written.  [default: continue]"}),
    Flag("audit", "webhook", "--audit-webhook", {
        "metavar": "URL", "help": 'Where records are sent, too: https://...; "" for nowhere.'}),
    Flag("audit", "webhook_ca", "--audit-webhook-ca", _file("PEM certificates that vouch for the webhook.")),
    Flag("audit", "webhook_config_file", "--audit-webhook-config-file", _file(
        "Instead of both: a kubeconfig with the webhook's address, authority and our credentials.")),
    Flag("audit", "webhook_mode", "--audit-webhook-mode", {
        "type": click.Choice(["batch", "blocking"]), "help": "Whether answers wait for it.  [default: batch]"}),
    Flag("audit", "webhook_backoff", "--audit-webhook-backoff", {
        "type": float, "metavar": "SECONDS", "help": "Until a batch is sent again.  [default: 10]"}),
    Flag("audit", "webhook_event_size", "--audit-webhook-event-size", {
        "type": int, "metavar": "BYTES", "help": "A larger record is sent without bodies; 0: never.  [default: 0]"}),
    Flag("pod_security", "enforce", "--pod-security-enforce", {
        "metavar": _LEVEL, "help": "Where a namespace says nothing: what pods must meet.  [default: privileged]"}),
    Flag("pod_security", "audit", "--pod-security-audit", {
        "metavar": _LEVEL, "help": "The same: what is noted in the audit log.  [default: privileged]"}),
    Flag("pod_security", "warn", "--pod-security-warn", {
        "metavar": _LEVEL, "help": "The same: what users are warned about.  [default: privileged]"}),
    Flag("pod_security", "exempt_namespaces", "--pod-security-exempt-namespace", {
        "multiple": True, "metavar": "NAME", "help": 'Nothing is asked of pods there; repeatable; "" forgets all.'}),
    Flag("pod_security", "exempt_users", "--pod-security-exempt-user", {
        "multiple": True, "metavar": "NAME", "help": "Nor of what this user makes."}),
    Flag("pod_security", "exempt_runtime_classes", "--pod-security-exempt-runtime-class", {
        "multiple": True, "metavar": "NAME", "help": "Nor of pods of this runtime class."}),
    Flag("acme", "email", "--acme-email", {
        "metavar": "ADDRESS", "help": "Have certificates of public names issued by Let's Encrypt, whose terms of"
        ' service you accept with this; "" turns ACME off.'}),
    Flag("acme", "directory", "--acme-directory", {
        "metavar": "URL", "help": 'Another ACME authority; "" for Let\'s Encrypt.'}),
    Flag("acme", "ca", "--acme-ca", _file("PEM certificates that vouch for its server.")),
)  # fmt: skip
_PATHS = frozenset({"audit_policy", "audit_webhook_ca", "audit_webhook_config_file", "acme_ca"})


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of FLAGS."""
    for flag in reversed(FLAGS):
        settings = dict(flag.settings)
        if not flag.several:
            settings["default"] = None
        command = click.option(flag.name, flag.key, **settings)(command)
    return command


def with_flags(config: Config, given: Mapping[str, Any]) -> Config:
    """The configuration with the flags that were given; files by their absolute paths."""
    changes: dict[str, dict[str, Any]] = {}
    for flag in FLAGS:
        value = given[flag.key]
        if value is None or value == ():
            continue
        if flag.several:
            value = tuple(text for text in dict.fromkeys(value) if text)
        elif flag.key in _PATHS and value:
            value = str(Path(value).absolute())
        changes.setdefault(flag.section, {})[flag.field] = value
    sections = {name: msgspec.structs.replace(getattr(config, name), **new) for name, new in changes.items()}
    if given["acme_email"] == "":
        sections["acme"] = Acme()
    return msgspec.structs.replace(config, **sections)
