"""Upstream's own pods for the Pod Security Standards, every level and version: ours refuses those, and for that reason.

The pods (some 4,500 files) are read where Go keeps the module that tests/conformance/go.mod names; without it there,
Go fetches it. (Fails when a check is lax or strict in any version, or says another's reason.)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from wherry.api.core.pod import POD
from wherry.api.types.core import Pod
from wherry.apiserver.admission.podsecurity.evaluate import NEWEST, evaluate
from wherry.apiserver.admission.podsecurity.policy import Standard
from wherry.machinery import codec

MODULE = "k8s.io/pod-security-admission"
GO_MOD = Path(__file__).parents[1] / "conformance"
REASONS = {
    "allowprivilegeescalation": "allowPrivilegeEscalation != false",
    "apparmorprofile": "forbidden AppArmor profile",
    "capabilities_baseline": "non-default capabilities",
    "capabilities_restricted": "unrestricted capabilities",
    "hostnamespaces": "host namespaces",
    "hostpathvolumes": "hostPath volumes",
    "hostports": "hostPort",
    "hostprobesandhostlifecycle": "probe or lifecycle host",
    "privileged": "privileged",
    "procmount": "procMount",
    "procmount_restricted": "procMount",
    "restrictedvolumes": "restricted volume types",
    "runasnonroot": "runAsNonRoot != true",
    "runasuser": "runAsUser=0",
    "seccompprofile_baseline": "seccompProfile",
    "seccompprofile_restricted": "seccompProfile",
    "selinuxoptions": "seLinuxOptions",
    "sysctls": "forbidden sysctls",
    "windowshostprocess": "hostProcess",
}
"""What the files' names are about -> what ours says."""
# The words of restricted checks that take the place of baseline ones:
REPLACED = {"capabilities_baseline": "unrestricted capabilities", "hostpathvolumes": "restricted volume types"}


@cache
def module() -> Path:
    """Where the module lies."""
    argv, env = ["go", "mod", "download", "-json", MODULE], {**os.environ, "GOFLAGS": "-mod=readonly"}
    told = subprocess.run(argv, cwd=GO_MOD, env=env, capture_output=True, check=True)
    return Path(json.loads(told.stdout)["Dir"], "test", "testdata")


def pods(level: str, minor: int, kind: str) -> dict[str, Pod]:
    """Upstream's pods by the names of their files, with the defaults that the API gives them."""
    files = sorted((module() / level / f"v1.{minor}" / kind).glob("*.yaml"))
    read = {file.stem: yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader) for file in files}
    return {name: POD.default(codec.from_dict(Pod, content)) for name, content in read.items()}


def reasons(level: str, minor: int, pod: Pod) -> set[str]:
    return {one.reason for one in evaluate(Standard(level, minor), pod.metadata.annotations, pod.spec)}


@pytest.mark.parametrize("minor", range(NEWEST + 1))
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_every_version_judges_as_upstream(level: str, minor: int) -> None:
    wrong: dict[str, object] = {}
    for name, pod in pods(level, minor, "fail").items():
        check = re.sub(r"\d+$", "", name)
        expected = {REASONS[check]} | ({REPLACED[check]} if check in REPLACED and level == "restricted" else set())
        found = reasons(level, minor, pod)
        if not found & expected:
            wrong[f"fail/{name}"] = found
    fine = pods(level, minor, "pass")
    wrong |= {f"pass/{name}": found for name, pod in fine.items() if (found := reasons(level, minor, pod))}
    assert wrong == {}
    assert fine


def test_all_of_it_is_there() -> None:
    """The newest version is ours, and the number of files is what it was in v0.37.2."""
    found = Counter((file.parts[-4], file.parts[-2]) for file in module().glob("*/*/*/*.yaml"))
    assert found == {
        ("baseline", "fail"): 1122, ("baseline", "pass"): 433,
        ("restricted", "fail"): 2364, ("restricted", "pass"): 618,
    }  # fmt: skip
    assert max(int(folder.name.removeprefix("v1.")) for folder in module().glob("baseline/*")) == NEWEST
    assert {re.sub(r"\d+$", "", file.stem) for file in module().glob("*/*/fail/*.yaml")} == set(REASONS)
