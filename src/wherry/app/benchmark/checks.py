"""CHECKS: the 131 checks of the CIS Kubernetes Benchmark for Kubernetes 1.32 and later, in its order. Pure.

Ids are the benchmark's (as in https://github.com/aquasecurity/kube-bench/tree/main/cfg/cis-1.12), words our own.
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.app.benchmark import api_server, components, control_plane_files, nodes, people, pods, policies, rights
from wherry.app.benchmark.check import Check, Finding
from wherry.app.benchmark.facts import Facts

CHECKS: tuple[Check, ...] = (
    *control_plane_files.CHECKS,
    *api_server.CHECKS,
    *components.CHECKS,
    *people.CHECKS,
    *nodes.CHECKS,
    *rights.CHECKS,
    *pods.CHECKS,
    *policies.CHECKS,
)


def chosen(sections: Sequence[str]) -> tuple[Check, ...]:
    """The checks of some sections (`4`, `1.2`, `5.1.3`), or all. Raises ValueError for a section that has none."""
    for section in sections:
        if not any(_within(check.id, section) for check in CHECKS):
            raise ValueError(f"there is no section {section!r}")
    return tuple(check for check in CHECKS if not sections or any(_within(check.id, one) for one in sections))


def _within(id: str, section: str) -> bool:
    return id == section or id.startswith(f"{section}.")


def judge(checks: Sequence[Check], facts: Facts) -> tuple[Finding, ...]:
    """What was found, in order; a remedy only where there is something to do or to decide."""
    found = []
    for check in checks:
        verdict = check.verdict(facts)
        remedy = check.remedy if verdict.status in ("fail", "warn", "manual") else ""
        found.append(Finding(check.id, check.title, verdict.status, verdict.evidence, remedy))
    return tuple(found)
