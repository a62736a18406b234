"""CHECKS and `evaluate`: which checks a standard makes at which version, and what they find. Pure.

Restricted makes the checks of baseline too, but for those that one of its own replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from wherry.api.types.core import PodSpec
from wherry.apiserver.admission.podsecurity import baseline, restricted
from wherry.apiserver.admission.podsecurity.finding import Check, Finding, subject
from wherry.apiserver.admission.podsecurity.policy import LATEST, Standard


@dataclass(frozen=True, slots=True)
class Rule:
    """A check under its name; (minor version, check) since when it is made how; the baseline rule it replaces."""

    name: str
    versions: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def at(self, minor: int) -> Check | None:
        """How the check is made in a version; None: not yet."""
        return next((check for since, check in reversed(self.versions) if since <= minor), None)


BASELINE: Final = (
    Rule("appArmorProfile", ((0, baseline.app_armor),)),
    Rule("capabilities_baseline", ((0, baseline.capabilities),)),
    Rule("hostNamespaces", ((0, baseline.host_namespaces),)),
    Rule("hostPathVolumes", ((0, baseline.host_path_volumes),)),
    Rule("hostPorts", ((0, baseline.host_ports),)),
    Rule("hostProbesAndHostLifecycle", ((34, baseline.host_probes),)),
    Rule("privileged", ((0, baseline.privileged),)),
    Rule("procMount", ((0, baseline.proc_mount), (35, baseline.proc_mount_unless_own_users))),
    Rule("seLinuxOptions", ((0, baseline.se_linux()), (31, baseline.se_linux("container_engine_t")))),
    Rule("seccompProfile_baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    Rule("sysctls", tuple((minor, baseline.sysctls(minor)) for minor in baseline.SYSCTL_VERSIONS)),
    Rule("windowsHostProcess", ((0, baseline.windows_host_process),)),
)
RESTRICTED: Final = (
    Rule(
        "allowPrivilegeEscalation",
        ((8, restricted.privilege_escalation), (25, restricted.unless_windows(restricted.privilege_escalation))),
    ),
    Rule(
        "capabilities_restricted",
        ((22, restricted.capabilities), (25, restricted.unless_windows(restricted.capabilities))),
        replaces="capabilities_baseline",
    ),
    Rule("procMount_restricted", ((35, baseline.proc_mount),), replaces="procMount"),
    Rule("restrictedVolumes", ((0, restricted.volumes),), replaces="hostPathVolumes"),
    Rule("runAsNonRoot", ((0, restricted.non_root), (35, restricted.unless_own_users(restricted.non_root)))),
    Rule("runAsUser", ((23, restricted.user), (35, restricted.unless_own_users(restricted.user)))),
    Rule(
        "seccompProfile_restricted",
        ((19, restricted.seccomp), (25, restricted.unless_windows(restricted.seccomp))),
        replaces="seccompProfile_baseline",
    ),
)
"""Both in the order in which findings are told."""
NEWEST: Final = max(minor for rule in (*BASELINE, *RESTRICTED) for minor, _ in rule.versions)


@cache
def checks(level: str, minor: int) -> tuple[Check, ...]:
    """What is checked, in order."""
    if level == "privileged":
        return ()
    strict = [rule for rule in RESTRICTED if rule.at(minor) is not None] if level == "restricted" else []
    replaced = {rule.replaces for rule in strict}
    rules = [rule for rule in BASELINE if rule.name not in replaced] + strict
    return tuple(check for rule in rules if (check := rule.at(minor)) is not None)


def evaluate(standard: Standard, annotations: Mapping[str, str], spec: PodSpec) -> list[Finding]:
    """What a pod has against a standard. Versions that are not known yet are the newest one."""
    minor = NEWEST if standard.minor == LATEST else min(standard.minor, NEWEST)
    made = checks(standard.level, minor)
    if not made:
        return []
    pod = subject(annotations, spec)
    return [finding for check in made if (finding := check(pod)) is not None]


def reasons(findings: list[Finding]) -> str:
    """The findings in short."""
    return ", ".join(finding.reason for finding in findings)


def details(findings: list[Finding]) -> str:
    """The findings in full."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in findings)
