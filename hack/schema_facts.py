"""Collect the facts of the Kubernetes API from its Go modules (needs Go; `make update-facts`).

From the OpenAPI documents: types, groups, list types, merge keys, what version 3 alone publishes (`default3`, `oneOf`).
From the Go declarations: which fields are pointers, which are always written, enumerations, and protobuf field numbers.
From the discovery documents: plurals, verbs, short names. Only facts are kept, no
descriptions. The version is `VERSION`; the staging modules follow it as 0.x.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VERSION = "1.37.2"
STAGING = VERSION.replace("1.", "0.", 1)
MODULES = {
    "k8s.io/kubernetes": f"v{VERSION}",
    "k8s.io/api": f"v{STAGING}",
    "k8s.io/apimachinery": f"v{STAGING}",
    "k8s.io/apiextensions-apiserver": f"v{STAGING}",
    "k8s.io/kube-aggregator": f"v{STAGING}",
    "k8s.io/metrics": f"v{STAGING}",
}
"""What is downloaded; `generate_protobuf.py` reads them all."""
OUT = Path(__file__).parent / "schema" / "facts.json"

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+(?:\{\})?)\s*`([^`]*)`", re.MULTILINE)
_ENUM_LINE = re.compile(
    r'^func schema_\w*?_([a-z0-9]+_v\d[a-z0-9]*_\w+)\(|^\t{5}"(\w+)": \{|^(\t+)Enum: +\[\]interface\{\}\{(.*)\},',
    re.MULTILINE,
)
_TAG = re.compile(r'(\w+):"([^"]*)"')


def module(path: str, version: str) -> Path:
    """Download a Go module (once) and return its folder."""
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "go.mod").write_text("module facts\n")
        out = subprocess.run(
            ["go", "mod", "download", "-json", f"{path}@{version}"], cwd=empty, check=True, capture_output=True
        )
    return Path(json.loads(out.stdout)["Dir"])


def go_structs(folder: Path) -> dict[str, list[tuple[str, str, dict[str, str]]]]:
    """Struct name -> [(go name or "" when embedded, go type, tags)] of one Go package."""
    found: dict[str, list[tuple[str, str, dict[str, str]]]] = {}
    for file in sorted(folder.glob("*.go")):
        if file.name.endswith("_test.go") or file.name.startswith("zz_"):
            continue
        for name, body in _STRUCT.findall(file.read_text()):
            code = re.sub(r"^\s*//.*$", "", body, flags=re.MULTILINE)
            found[name] = [(n, t, dict(_TAG.findall(tags))) for n, t, tags in _FIELD.findall(code)]
    return found


def go_fields(structs: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """JSON name -> {pointer, always, omitzero, proto} with embedded structs spelled out."""
    out: dict[str, dict[str, Any]] = {}
    for go_name, go_type, tags in structs.get(name, ()):
        json_name, *options = tags.get("json", "").split(",")
        if "inline" in options or (not json_name and not go_name):
            embedded = go_type.lstrip("*").rsplit(".", 1)[-1]
            out |= go_fields(structs, embedded) if embedded != name else {}  # metav1.Time embeds time.Time
            continue
        if json_name in ("", "-"):
            continue
        fact: dict[str, Any] = {}
        if go_type.startswith("*"):
            fact["pointer"] = True
        if not {"omitempty", "omitzero"} & set(options):
            fact["always"] = True
        if "omitzero" in options:
            fact["omitzero"] = True
        if "protobuf" in tags:
            wire, number, *_ = tags["protobuf"].split(",")
            fact["proto"] = [wire, int(number)]
        out[json_name] = fact
    return out


def package_of(definition: str, roots: dict[str, Path]) -> Path | None:
    """The Go package folder that declares an OpenAPI definition."""
    package, _ = definition.rsplit(".", 1)
    for prefix, path, inside in (
        ("io.k8s.api.", "k8s.io/api", ""),
        ("io.k8s.apimachinery.pkg.", "k8s.io/apimachinery", "pkg/"),
        ("io.k8s.apiextensions-apiserver.pkg.", "k8s.io/apiextensions-apiserver", "pkg/"),
        ("io.k8s.kube-aggregator.pkg.", "k8s.io/kube-aggregator", "pkg/"),
    ):
        if package.startswith(prefix):
            return roots[path] / (inside + package[len(prefix) :].replace(".", "/"))
    return None


def schema_fact(schema: dict[str, Any]) -> dict[str, Any]:
    """One property or item schema without words: type, reference, and how it merges."""
    out: dict[str, Any] = {}
    if "$ref" in schema:
        out["ref"] = schema["$ref"].removeprefix("#/definitions/")
    for key in ("type", "format", "default", "enum"):
        if key in schema:
            out[key] = schema[key]
    for ours, theirs in (
        ("listType", "x-kubernetes-list-type"),
        ("listKeys", "x-kubernetes-list-map-keys"),
        ("mapType", "x-kubernetes-map-type"),
        ("mergeKey", "x-kubernetes-patch-merge-key"),
        ("strategy", "x-kubernetes-patch-strategy"),
        ("unions", "x-kubernetes-unions"),
    ):
        if theirs in schema:
            out[ours] = schema[theirs]
    if "items" in schema:
        out["items"] = schema_fact(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        out["values"] = schema_fact(schema["additionalProperties"])
    return out


def enums(generated: Path, names: Iterable[str]) -> dict[tuple[str, str, bool], list[str]]:
    """(definition, field, whether of its items) -> the values it may have, from the generated Go definitions.

    The documents of the repository leave them out, a server publishes them.
    """
    full = {"_".join(name.split(".")[-3:]): name for name in names}
    out: dict[tuple[str, str, bool], list[str]] = {}
    definition, field = "", ""
    for match in _ENUM_LINE.finditer(generated.read_text()):
        if match[1]:
            definition, field = full.get(match[1], ""), ""
        elif match[2]:
            field = match[2]
        elif definition:
            out[definition, field, len(match[3]) > 7] = json.loads(f"[{match[4]}]")
    return out


def third(fact: dict[str, Any], schema: dict[str, Any]) -> None:
    """Add to a fact what version 3 of the document says and version 2 does not."""
    if "default" in schema and "default" not in fact:
        fact["default3"] = schema["default"]
    if "oneOf" in schema:
        fact["oneOf"] = schema["oneOf"]
    for inner, theirs in (("items", "items"), ("values", "additionalProperties")):
        if inner in fact and isinstance(schema.get(theirs), dict):
            third(fact[inner], schema[theirs])
    for name, field in fact.get("fields", {}).items():
        third(field, schema["properties"].get(name, {}))


def published(base: Path) -> dict[str, Any]:
    """Definition name -> its schema in version 3 of the document."""
    out: dict[str, Any] = {}
    for file in sorted((base / "v3").glob("*.json")):
        out |= json.loads(file.read_text()).get("components", {}).get("schemas", {})
    return out


def types(roots: dict[str, Path]) -> dict[str, Any]:
    """Definition name -> its fields with all their facts."""
    document = json.loads((roots["k8s.io/kubernetes"] / "api/openapi-spec/swagger.json").read_text())
    packages: dict[Path, dict[str, Any]] = {}
    out: dict[str, Any] = {}
    for name, schema in sorted(document["definitions"].items()):
        folder = package_of(name, roots)
        if folder is not None and folder not in packages:
            packages[folder] = go_structs(folder)
        go = go_fields(packages[folder], name.rsplit(".", 1)[1]) if folder is not None else {}
        fact = schema_fact(schema)
        if "properties" in schema:
            fact["fields"] = {
                field: schema_fact(sub) | go.get(field, {}) for field, sub in sorted(schema["properties"].items())
            }
            fact["required"] = schema.get("required", [])
        if gvks := schema.get("x-kubernetes-group-version-kind"):
            fact["kinds"] = [[g["group"], g["version"], g["kind"]] for g in gvks]
        out[name] = fact
    spec = roots["k8s.io/kubernetes"] / "api/openapi-spec"
    for name, schema in published(spec).items():
        if name in out:
            third(out[name], schema)
    generated = roots["k8s.io/kubernetes"] / "pkg/generated/openapi/zz_generated.openapi.go"
    for (name, field, of_items), values in enums(generated, out).items():
        fact = out[name]["fields"][field]
        (fact.get("items", fact.get("values")) if of_items else fact)["enum"] = values
    return out


def resources(roots: dict[str, Path]) -> list[dict[str, Any]]:
    """Every served resource: names, scope, verbs, subresources."""
    base = roots["k8s.io/kubernetes"] / "api/discovery"
    out: list[dict[str, Any]] = []
    for file in sorted(base.glob("*.json")):
        document = json.loads(file.read_text())
        if document.get("kind") != "APIResourceList":
            continue
        group, _, version = document["groupVersion"].rpartition("/")
        main = {r["name"]: r for r in document["resources"] if "/" not in r["name"]}
        subs = [r for r in document["resources"] if "/" in r["name"]]
        out.extend(
            {
                "group": group,
                "version": version,
                "kind": r["kind"],
                "plural": name,
                "singular": r.get("singularName", ""),
                "namespaced": r["namespaced"],
                "shortNames": r.get("shortNames", []),
                "categories": r.get("categories", []),
                "verbs": sorted(r["verbs"]),
                "subresources": {
                    s["name"].split("/", 1)[1]: {
                        "kind": s["kind"],
                        "group": s.get("group", ""),
                        "version": s.get("version", ""),
                        "verbs": sorted(s["verbs"]),
                    }
                    for s in subs
                    if s["name"].startswith(name + "/")
                },
            }
            for name, r in sorted(main.items())
        )
    return out


def main() -> int:
    """Write the facts."""
    roots = {path: module(path, version) for path, version in MODULES.items()}
    facts = {"version": VERSION, "resources": resources(roots), "types": types(roots)}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{OUT}: {len(facts['types'])} types, {len(facts['resources'])} resources\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
