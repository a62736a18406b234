"""Write `tests/golden/openapi/operations.json`: what upstream's OpenAPI document calls operations and their parameters.

The facts are read from the Go module k8s.io/kubernetes. One line per path, so that versions compare well:
    {path: {method: [operation id, tag, action, "group/version/kind", index into "parameters"]}}
    python hack/generate_operations.py ~/go/pkg/mod/k8s.io/kubernetes@v1.37.2 [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "tests/golden/openapi/operations.json"
DOCUMENT = "api/openapi-spec/swagger.json"


def names(parameters: list[dict[str, Any]], shared: dict[str, Any]) -> list[str]:
    """`path namespace string` and so on."""
    own = [shared[p["$ref"].removeprefix("#/parameters/")] if "$ref" in p else p for p in parameters]
    return [" ".join((p["in"], p["name"], p.get("type", ""))).strip() for p in own]


def facts(document: dict[str, Any]) -> dict[str, Any]:
    """What is compared, of a document of version 2."""
    sets: list[list[str]] = []
    paths: dict[str, Any] = {}
    for path, item in sorted(document["paths"].items()):
        common = names(item.get("parameters", []), document["parameters"])
        paths[path] = {}
        for method, operation in sorted(item.items()):
            if method == "parameters":
                continue
            own = sorted(common + names(operation.get("parameters", []), document["parameters"]))
            if own not in sets:
                sets.append(own)
            kind = operation.get("x-kubernetes-group-version-kind", {})
            spoken = "/".join(kind[part] for part in ("group", "version", "kind")) if kind else ""
            action = operation.get("x-kubernetes-action", "")
            paths[path][method] = [operation["operationId"], operation["tags"][0], action, spoken, sets.index(own)]
    return {"parameters": sets, "paths": paths}


def written(found: dict[str, Any]) -> str:
    """One line per set of parameters and per path."""
    sets = ",\n".join(json.dumps(one) for one in found["parameters"])
    paths = ",\n".join(f"{json.dumps(path)}: {json.dumps(item)}" for path, item in found["paths"].items())
    return f'{{"parameters": [\n{sets}\n],\n"paths": {{\n{paths}\n}}}}\n'


if __name__ == "__main__":
    text = written(facts(json.loads((Path(sys.argv[1]) / DOCUMENT).read_text())))
    if "--check" in sys.argv:
        sys.exit(f"{OUT} is stale: make update-facts" if OUT.read_text() != text else 0)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)
