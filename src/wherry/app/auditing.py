"""From the configuration to the audit log's settings; and checking the log that a cluster has kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from wherry.apiserver.audit.file import Limits, verify
from wherry.apiserver.audit.policy import DEFAULT, BadPolicy, Policy, read
from wherry.apiserver.audit.settings import AuditSettings
from wherry.apiserver.webhooks.client import Target
from wherry.app.config import Config, ConfigError


def settings(config: Config) -> AuditSettings | None:
    """What the server is given; None: the log is turned off. Raises ConfigError."""
    own = config.audit
    if not own.enabled:
        return None
    webhook = None
    if own.webhook:
        if not own.webhook.startswith("https://"):
            raise ConfigError(f"the audit webhook {own.webhook} is not an https:// URL")
        webhook = Target(url=own.webhook, ca=_bytes(own.webhook_ca, "CA of the audit webhook"))
    limits = Limits(own.size * 1024 * 1024, own.days, own.files)
    return AuditSettings(config.audit_logs, policy(own.policy), limits, webhook, own.on_failure)


def policy(path: str) -> Policy:
    """The policy in a file, or the default one. Raises ConfigError."""
    if not path:
        return DEFAULT
    try:
        return read(yaml.safe_load(_bytes(path, "audit policy")))
    except (BadPolicy, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _bytes(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise ConfigError(f"the {what} {path} cannot be read: {error.strerror}") from error


def check(config: Config, tell: Callable[[str], None]) -> str:
    """Check the log that is on disk; its head, `<number>.<hash>`. Raises chain.Tampered, OSError."""
    return str(verify(config.audit_logs, tell))
