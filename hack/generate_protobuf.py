"""Write `src/wherry/api/types/protobuf.json`: how the Kubernetes API's protobuf messages map to JSON fields.

Field numbers and types are read from the `generated.proto` files of the Go modules, JSON names and pointers from
`hack/schema/facts.json`; only facts are kept. Run it after `hack/schema_facts.py`, with the same modules downloaded:
    python hack/generate_protobuf.py ~/go/pkg/mod/k8s.io
Each message: number -> [JSON name, type]. Types: s text, b bytes, i integer, B boolean, d double, =Name message,
[T] list, {T} map with text keys; a leading ? is a pointer, whose zero value counts; name "" is a message whose fields
belong to the enclosing object.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE.parent / "src/wherry/api/types/protobuf.json"
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?:(optional|repeated)\s+([\w.]+)|map<string, ([\w.]+)>)\s+(\w+) = (\d+);", re.MULTILINE)
_SCALARS = {"string": "s", "bytes": "b", "int32": "i", "int64": "i", "uint32": "i", "bool": "B", "double": "d"}
_MODULES = ("api@*", "apimachinery@*", "apiextensions-apiserver@*", "kube-aggregator@*", "metrics@*")
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ROOTS = (
    *(f"{_META}{name}" for name in (
        "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "PartialObjectMetadata",
        "PartialObjectMetadataList", "Preconditions", "Status", "WatchEvent",
    )),
    "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList",
    "io.k8s.api.apidiscovery.v2beta1.APIGroupDiscoveryList",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics",
)  # fmt: skip
"""Kinds that are no resources of the API's Go modules."""


def full_name(package: str, message: str) -> str:
    """The name that OpenAPI knows a message by."""
    package = package.replace("k8s.io.", "io.k8s.", 1)
    return f"{package.replace('_', '-')}.{message}"


def read(root: Path) -> dict[str, list[tuple[str, str, str, int]]]:
    """Full name -> [(label, full or scalar type, name, number)] of every message."""
    found: dict[str, list[tuple[str, str, str, int]]] = {}
    for pattern in _MODULES:
        for file in sorted(root.glob(f"{pattern}/**/generated.proto")):
            text = re.sub(r"//.*$", "", file.read_text(), flags=re.MULTILINE)
            package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
            if package is None:
                continue
            for name, body in _MESSAGE.findall(text):
                fields = []
                for label, plain, valued, field, number in _FIELD.findall(body):
                    kind = plain or valued
                    if kind not in _SCALARS:
                        dotted = kind.lstrip(".")
                        package_of, _, message = dotted.rpartition(".")
                        kind = full_name(package_of or package[1], message)
                    fields.append((label or "map", kind, field, int(number)))
                found[full_name(package[1], name)] = fields
    return found


def entry(known: dict[str, Any], label: str, kind: str, field: str, number: int) -> list[str]:
    """[JSON name ("" for an inlined message), type code] of one field; `known` are the facts of its struct."""
    code = _SCALARS.get(kind) or f"={kind}"
    inline = field not in known and kind not in _SCALARS and label == "optional" and bool(known)
    if field not in known and not inline:  # Go's name differs from JSON's: $ref, aPIGroup, Webhooks
        same = [n for n, f in known.items() if f.get("proto", ("", 0))[1] == number]
        field = same[0] if len(same) == 1 else field
    if label == "repeated":
        code = f"[{code}]"
    elif label == "map":
        code = f"{{{code}}}"
    elif known.get(field, {}).get("pointer"):
        code = f"?{code}"
    return ["" if inline else field, code]


def build(root: Path) -> dict[str, dict[str, list[str]]]:
    """The table, for every message that a served kind reaches."""
    facts: dict[str, Any] = json.loads((HERE / "schema/facts.json").read_text())
    messages = read(root)
    names = facts["types"]
    served = {(r["group"], r["version"], r["kind"]) for r in facts["resources"]}
    for resource in facts["resources"]:
        for sub in resource["subresources"].values():
            served.add((sub["group"] or resource["group"], sub["version"] or resource["version"], sub["kind"]))
    wanted = [n for n, t in names.items() if any(tuple(k) in served for k in t.get("kinds", ()))]
    wanted += [name for name in _ROOTS if name in messages]
    wanted += [f"{name}List" for name in wanted if f"{name}List" in messages]
    out: dict[str, dict[str, list[str]]] = {}
    inlined: dict[str, dict[str, Any]] = {}  # by message: facts of a struct that spells out its fields
    while wanted:
        name = wanted.pop()
        if name in out or name not in messages:
            continue
        known = names.get(name, {}).get("fields") or inlined.get(name, {})
        table = out[name] = {}
        for label, kind, field, number in messages[name]:
            table[str(number)] = entry(known, label, kind, field, number)
            if kind not in _SCALARS:
                wanted.append(kind)
            if not table[str(number)][0]:
                inlined[kind] = known
    return dict(sorted(out.items()))


if __name__ == "__main__":
    OUT.write_text(json.dumps(build(Path(sys.argv[1])), indent=0, separators=(",", ":")) + "\n")
