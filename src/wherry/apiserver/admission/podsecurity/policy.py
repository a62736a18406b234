"""Policy: which standard a namespace enforces, audits and warns about, read from its labels. Pure.

What cannot be read counts as `restricted` for enforcing, and as `privileged` for auditing and warning.
https://kubernetes.io/docs/concepts/security/pod-security-admission/#pod-security-admission-labels-for-namespaces
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from wherry.machinery.validation import FieldError, invalid

PREFIX: Final = "pod-security.kubernetes.io/"
LATEST: Final = -1
LEVELS: Final = ("privileged", "baseline", "restricted")
"""By strictness."""
_VERSION: Final = re.compile(r"v1\.([0-9]|[1-9][0-9]{1,8})", re.ASCII)

Mode = Literal["enforce", "audit", "warn"]


class Standard(NamedTuple):
    """A level at the minor version of Kubernetes that defines it, LATEST for the present one."""

    level: str = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        """0 is none."""
        return LEVELS.index(self.level)


NONE: Final = Standard()


@dataclass(frozen=True, slots=True)
class Policy:
    """One standard for each mode."""

    enforce: Standard = NONE
    audit: Standard = NONE
    warn: Standard = NONE

    @property
    def privileged(self) -> bool:
        """Whether nothing is ever said."""
        return not (self.enforce.strictness or self.audit.strictness or self.warn.strictness)

    def same_as(self, other: Policy) -> bool:
        """Whether both always say the same."""
        pairs = ((self.enforce, other.enforce), (self.audit, other.audit), (self.warn, other.warn))
        return all(a == b or not (a.strictness or b.strictness) for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds where a namespace says nothing, and who is exempt altogether."""

    defaults: Policy = Policy()
    exempt_namespaces: frozenset[str] = field(default_factory=frozenset)
    exempt_users: frozenset[str] = field(default_factory=frozenset)
    exempt_runtime_classes: frozenset[str] = field(default_factory=frozenset)


def standard_of(text: str) -> Standard:
    """`LEVEL` or `LEVEL:VERSION`. Raises ValueError."""
    level, colon, version = text.partition(":")
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
    found = _VERSION.fullmatch(version)
    if colon and found is None and version != "latest":
        raise ValueError(f'{version!r} is not "latest" or "v1.x"')
    return Standard(level, int(found[1]) if found else LATEST)


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace with these labels, and what is wrong with them."""
    if not any(label.startswith(PREFIX) for label in labels):
        return defaults, []
    errors: list[FieldError] = []
    enforce = _standard(labels, "enforce", defaults.enforce, errors, otherwise="restricted")
    audit = _standard(labels, "audit", defaults.audit, errors, otherwise="privileged")
    warn = _standard(labels, "warn", defaults.warn, errors, otherwise="privileged")
    said = labels.get(f"{PREFIX}enforce") in LEVELS
    if f"{PREFIX}warn" not in labels and said and enforce.strictness > warn.strictness:
        # who enforces more than is warned about by default is warned about that too: it concerns workloads
        warn = Standard(enforce.level, warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor)
    return Policy(enforce, audit, warn), errors


def _standard(
    labels: Mapping[str, str], mode: Mode, default: Standard, errors: list[FieldError], *, otherwise: str
) -> Standard:  # fmt: skip
    level, minor = default
    given = labels.get(f"{PREFIX}{mode}")
    if given is not None:
        level = given if given in LEVELS else otherwise
        if given not in LEVELS:
            errors.append(_wrong(mode, given, f"must be one of {', '.join(LEVELS)}"))
    version = labels.get(f"{PREFIX}{mode}-version")
    if version is not None:
        found = _VERSION.fullmatch(version)
        minor = int(found[1]) if found else LATEST
        if found is None and version != "latest":
            errors.append(_wrong(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
    return Standard(level, minor)


def _wrong(label: str, value: str, why: str) -> FieldError:
    return invalid(f"metadata.labels[{PREFIX}{label}]", value, why)


def modes(policy: Policy, labels: Mapping[str, str]) -> Iterator[str]:
    """`enforce=restricted:latest` for each mode that the labels themselves make stricter than nothing."""
    for mode, standard in (("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn)):
        if standard.strictness and (f"{PREFIX}{mode}" in labels or f"{PREFIX}{mode}-version" in labels):
            yield f"{mode}={standard}"
