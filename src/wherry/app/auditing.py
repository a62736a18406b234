"""From the configuration to the audit log's settings; and checking the log that a cluster has kept."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import yaml
from cryptography import x509

from wherry.apiserver import kubeconfig
from wherry.apiserver.audit.file import Limits, verify
from wherry.apiserver.audit.policy import DEFAULT, BadPolicy, Policy, read
from wherry.apiserver.audit.settings import AuditSettings
from wherry.apiserver.audit.webhook import Sending
from wherry.apiserver.webhooks.client import Target, show
from wherry.app.config import Audit, Config, ConfigError


def settings(config: Config) -> AuditSettings | None:
    """What the server is given; None: the log is turned off. Raises ConfigError."""
    own = config.audit
    if not own.enabled:
        return None
    if own.size < 1 or own.files < 1 or own.days <= 0:
        raise ConfigError("the audit log keeps at least 1 MiB, 1 file and a part of a day; say more, or --no-audit")
    limits = Limits(own.size * 1024 * 1024, own.days, own.files)
    sending = Sending(own.webhook_mode, own.webhook_backoff, own.webhook_event_size)
    return AuditSettings(config.audit_logs, policy(own.policy), limits, _webhook(own), sending, own.on_failure)


def _webhook(own: Audit) -> Target | None:
    if own.webhook_event_size < 0 or own.webhook_backoff < 0:
        raise ConfigError("the audit webhook's sizes and times are at least 0")
    if own.webhook_config_file:
        return _configured(own)
    if not own.webhook:
        return None
    if not re.fullmatch(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", own.webhook):
        raise ConfigError(
            f"{own.webhook!r} is no audit webhook; write an https:// URL like https://audit.example.com/records"
        )
    ca = _bytes(own.webhook_ca, "CA of the audit webhook")
    if own.webhook_ca:
        try:
            x509.load_pem_x509_certificates(ca)
        except ValueError as error:
            raise ConfigError(f"{own.webhook_ca} holds no PEM certificates; give the webhook's authority") from error
    return Target(url=own.webhook, ca=ca)


def _configured(own: Audit) -> Target:
    """What a kubeconfig names, with the credentials in it."""
    if own.webhook or own.webhook_ca:
        raise ConfigError("--audit-webhook-config-file names the webhook and its authority; leave the others out")
    try:
        found = kubeconfig.read(Path(own.webhook_config_file))
        context = ssl.create_default_context(cadata=found.ca.decode("ascii") or None)
        if found.pair:
            show(context, found.pair)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{own.webhook_config_file}: a certificate or key is not PEM; replace it") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Target(url=found.url, ca=found.ca, pair=found.pair, token=found.token)


def policy(path: str) -> Policy:
    """The policy in a file, or the default one. Raises ConfigError."""
    if not path:
        return DEFAULT
    try:
        return read(yaml.safe_load(_bytes(path, "audit policy")))
    except BadPolicy as error:
        raise ConfigError(f"{path}: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{path} is no YAML: {said}; write an audit.k8s.io/v1 Policy") from error


def _bytes(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise ConfigError(f"the {what} {path} cannot be read: {error.strerror}") from error


def check(config: Config, tell: Callable[[str], None]) -> str:
    """Check the log that is on disk; its head, `<number>.<hash>`. Raises chain.Tampered, OSError."""
    return str(verify(config.audit_logs, tell))
