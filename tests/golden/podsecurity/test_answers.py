"""Pods of all sorts, and what upstream's evaluator holds against them in every version: the same words come from ours.

`answers.json`: random pods; for each level, [minor version since when, text] wherever the text changes. The texts were
printed by k8s.io/pod-security-admission v0.37.2.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wherry.api.types.core import Pod
from wherry.apiserver.admission.podsecurity.evaluate import NEWEST, details, evaluate
from wherry.apiserver.admission.podsecurity.policy import LATEST, Standard
from wherry.machinery import codec

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("answers.json").read_text())


@pytest.mark.parametrize("index", range(len(CASES)))
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_every_version_answers_as_upstream(index: int, level: str) -> None:
    case = CASES[index]
    pod = codec.from_dict(Pod, case["pod"])
    expected = ""
    changes = dict(case[level])
    for minor in range(NEWEST + 2):
        expected = changes.get(minor, expected)
        assert details(evaluate(Standard(level, minor), pod.metadata.annotations, pod.spec)) == expected, minor
    assert details(evaluate(Standard(level, LATEST), pod.metadata.annotations, pod.spec)) == expected


def test_the_cases_violate_every_rule() -> None:
    reasons = {
        "forbidden AppArmor profile", "non-default capabilities", "unrestricted capabilities", "host namespaces",
        "hostPath volumes", "hostPort (", "probe or lifecycle host", "privileged (", "procMount", "seLinuxOptions",
        "forbidden sysctls", "seccompProfile (pod or", "seccompProfile (forbidden annotation", "hostProcess",
        "allowPrivilegeEscalation != false", "restricted volume types", "runAsNonRoot != true", "runAsUser=0",
    }  # fmt: skip
    said = " ".join(text for case in CASES for level in ("baseline", "restricted") for _, text in case[level])
    assert [reason for reason in reasons if reason not in said] == []


def test_privileged_finds_nothing() -> None:
    for case in CASES:
        pod = codec.from_dict(Pod, case["pod"])
        assert evaluate(Standard(), pod.metadata.annotations, pod.spec) == []
