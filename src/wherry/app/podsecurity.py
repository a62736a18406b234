"""From the configuration to what the PodSecurity admission asks of pods where their namespace says nothing.

https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/
"""

from __future__ import annotations

from wherry.apiserver.admission.podsecurity.policy import Policy, Settings, Standard, standard_of
from wherry.app.config import Config, ConfigError
from wherry.machinery.names import dns_label, dns_subdomain


def settings(config: Config) -> Settings:
    """What the server is given. Raises ConfigError."""
    own = config.pod_security
    for namespace in own.exempt_namespaces:
        if problems := dns_label(namespace):
            raise ConfigError(f"the exempt namespace {namespace!r} cannot exist: {problems[0]}")
    for name in own.exempt_runtime_classes:
        if problems := dns_subdomain(name):
            raise ConfigError(f"the exempt runtime class {name!r} cannot exist: {problems[0]}")
    if "" in own.exempt_users:
        raise ConfigError("an exempt user has a name")
    return Settings(
        Policy(
            enforce=_standard("enforce", own.enforce),
            audit=_standard("audit", own.audit),
            warn=_standard("warn", own.warn),
        ),
        frozenset(own.exempt_namespaces),
        frozenset(own.exempt_users),
        frozenset(own.exempt_runtime_classes),
    )


def _standard(mode: str, text: str) -> Standard:
    try:
        return standard_of(text)
    except ValueError as error:
        raise ConfigError(
            f"--pod-security-{mode} {text!r}: {error}; write it like baseline or restricted:v1.37"
        ) from error
