"""Write `src/wherry/apiserver/authz/bootstrap.json`: the roles and bindings that every Kubernetes cluster has.

The facts (who may do what) are read from the policy documents of the Go module k8s.io/kubernetes; compact form:
roles: [namespace, name, labels that aggregate, aggregate-to label selected, [[verbs, groups, resources, names, urls]]]
bindings: [namespace, name, role kind, role, [[subject kind, namespace, name]]]
    python hack/generate_rbac.py ~/go/pkg/mod/k8s.io/kubernetes@v1.37.2
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parent.parent / "src/wherry/apiserver/authz/bootstrap.json"
FOLDER = "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata"
ROLES = ("cluster-roles", "controller-roles", "namespace-roles")
BINDINGS = ("cluster-role-bindings", "controller-role-bindings", "namespace-role-bindings")
PREFIX = "rbac.authorization.k8s.io/aggregate-to-"


def items(root: Path, name: str) -> list[dict[str, Any]]:
    """The objects of one policy document."""
    found: list[dict[str, Any]] = yaml.safe_load((root / FOLDER / f"{name}.yaml").read_text())["items"]
    return found


def role(obj: dict[str, Any]) -> list[Any]:
    """A role in compact form."""
    meta = obj["metadata"]
    labels = sorted(key.removeprefix(PREFIX) for key in meta.get("labels", {}) if key.startswith(PREFIX))
    selectors = obj.get("aggregationRule", {}).get("clusterRoleSelectors", [])
    aggregate = [key.removeprefix(PREFIX) for s in selectors for key in s["matchLabels"]]
    rules = [
        [r.get(k, []) for k in ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")]
        for r in obj.get("rules") or []
    ]
    return [meta.get("namespace", ""), meta["name"], labels, aggregate, rules]


def binding(obj: dict[str, Any]) -> list[Any]:
    """A binding in compact form."""
    meta, ref = obj["metadata"], obj["roleRef"]
    subjects = [[s["kind"], s.get("namespace", ""), s["name"]] for s in obj.get("subjects") or []]
    return [meta.get("namespace", ""), meta["name"], ref["kind"], ref["name"], subjects]


if __name__ == "__main__":
    root = Path(sys.argv[1])
    table = {
        "roles": [role(obj) for name in ROLES for obj in items(root, name)],
        "bindings": [binding(obj) for name in BINDINGS for obj in items(root, name)],
    }
    lines = [f'"{key}":[\n' + ",\n".join(json.dumps(v) for v in values) + "\n]" for key, values in table.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
