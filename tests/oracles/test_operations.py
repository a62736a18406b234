"""The facts about upstream's OpenAPI operations, which a unit test holds ours against, are those of its Go module.

(Fails when the pinned Kubernetes has moved on and `make update-facts` was not run.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = "k8s.io/kubernetes"


def test_the_facts_are_those_of_the_pinned_version() -> None:
    argv, env = ["go", "mod", "download", "-json", MODULE], {**os.environ, "GOFLAGS": "-mod=readonly"}
    told = subprocess.run(argv, cwd=ROOT / "tests" / "conformance", env=env, capture_output=True, check=True)
    folder = json.loads(told.stdout)["Dir"]
    argv = [sys.executable, str(ROOT / "hack" / "generate_operations.py"), folder, "--check"]
    checked = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
