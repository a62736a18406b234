"""Generate the typed structs of the API and the catalog of served resources from `hack/schema/facts.json`.

`python hack/generate_types.py` rewrites `src/wherry/api/types/`; with `--check` it only compares
(exit 1 when different).
Fields and wire names only: defaults, validation and columns are wherry's own code beside it.
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE.parent / "src" / "wherry" / "api" / "types"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Types of metav1 that wherry.machinery.meta declares by hand, since machinery itself works with them.
IN_MACHINERY = {
    "Condition", "DeleteOptions", "LabelSelector", "LabelSelectorRequirement", "ListMeta", "ManagedFieldsEntry",
    "ObjectMeta", "OwnerReference", "Preconditions",
}  # fmt: skip
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("Quantity", "wherry.machinery.quantity"),
    META + "Time": ("Time", "wherry.machinery.time"),
    META + "MicroTime": ("MicroTime", "wherry.machinery.time"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("int | str", ""),
}
ALWAYS = {"str": "empty_text", "int": "zero", "bool": "no", "float": "zero_float", "Quantity": "zero_quantity"}
ZEROS = {"str": '""', "int": "0", "bool": "False", "float": "0.0"}
# Served beside the GA versions, since nothing newer exists or clients ask for both.
VERSIONS = {"v1", "v2"}
EXTRA = [
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.authentication.v1.TokenRequest",
]


def module_of(definition: str) -> str:
    """`io.k8s.api.autoscaling.v2.X` -> `autoscaling_v2`; version v1 is left out of the name."""
    *_, group, version, _ = definition.split(".")
    group = {"meta": "meta", "pkg": "meta"}.get(group, group)
    return group if version == "v1" else f"{group}_{version}"


def snake(name: str) -> str:
    """`podCIDRs` -> `pod_cidrs`, `clusterIP` -> `cluster_ip`, `continue` -> `continue_`."""
    text = re.sub(r"([A-Z]{2,})s(?=$|[A-Z])", lambda m: m[1].capitalize() + "s", name.strip("$"))
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", text).replace("-", "_").lower()
    return text + "_" if keyword.iskeyword(text) or text in ("int", "bool", "str", "float", "bytes", "tuple") else text


def camel(name: str) -> str:
    """What msgspec's rename="camel" makes of a field name."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def written(fact: dict[str, Any]) -> bool:
    """Whether Go writes a struct, a time or a quantity though it is empty: its omitempty knows no empty structs."""
    return not fact.get("pointer") and not fact.get("omitzero")


class Module:
    """One generated file: its classes in dependency order and what they import."""

    def __init__(
        self, facts: dict[str, Any], name: str, definitions: list[str], kinds: dict[str, tuple[str, str]]
    ) -> None:
        self.types = facts["types"]
        self.name, self.definitions, self.kinds = name, definitions, kinds
        self.imports: dict[str, set[str]] = {"wherry.machinery.meta": {"Model"}}

    def use(self, module: str, name: str) -> str:
        """Note an import and return the name."""
        if module != f"wherry.api.types.{self.name}":
            self.imports.setdefault(module, set()).add(name)
        return name

    def python_type(self, fact: dict[str, Any]) -> str:
        """The annotation of a field, item or map value, without None."""
        if ref := fact.get("ref"):
            return self.reference(ref)
        kind = fact.get("type")
        if kind == "array":
            return f"tuple[{self.python_type(fact['items'])}, ...]"
        if kind == "object":
            if "values" not in fact:
                return self.use("typing", "Any")
            return f"{self.use('collections.abc', 'Mapping')}[str, {self.python_type(fact['values'])}]"
        if kind == "string":
            return "bytes" if fact.get("format") == "byte" else "str"
        return {"integer": "int", "number": "float", "boolean": "bool"}.get(kind or "", "") or self.use("typing", "Any")

    def reference(self, ref: str) -> str:
        """The annotation of a named type."""
        if ref in SCALARS:
            name, module = SCALARS[ref]
            return self.use(module, name) if module else name
        fact, short = self.types[ref], ref.rsplit(".", 1)[1]
        if ref.startswith(META) and short in IN_MACHINERY:
            return self.use("wherry.machinery.meta", short)
        if "fields" not in fact:
            if fact.get("type") == "object" and not short.startswith(("JSON", "FieldsV1", "RawExtension", "Patch")):
                return self.use(f"wherry.api.types.{module_of(ref)}", short)
            return self.use("typing", "Any")
        return self.use(f"wherry.api.types.{module_of(ref)}", short)

    def is_struct(self, ref: str) -> bool:
        """Whether the named type is a struct of ours."""
        return self.reference(ref) not in ("Any", "int | str", "Time", "MicroTime", "Quantity")

    def field(self, json_name: str, fact: dict[str, Any]) -> str:
        """One field's line."""
        name, kind = snake(json_name), self.python_type(fact)
        rename = camel(name) != json_name
        default, factory = self.default(kind, fact)
        if factory or rename:
            parts = [f"default_factory={factory}" if factory else f"default={default}"]
            parts += [f'name="{json_name}"'] if rename else []
            default = f"{self.use('msgspec', 'field')}({', '.join(parts)})"
        return f"    {name}: {self.optional(kind, fact)} = {default}"

    def optional(self, kind: str, fact: dict[str, Any]) -> str:
        """The annotation with None where the field may be absent as opposed to zero."""
        if kind == "Any":
            return kind
        return f"{kind} | None" if self.absent(kind, fact) else kind

    def absent(self, kind: str, fact: dict[str, Any]) -> bool:
        """Whether absence differs from the zero value (a Go pointer, or a time)."""
        if kind in ("Time", "MicroTime", "Any", "int | str", "bytes") or (kind == "Quantity" and not written(fact)):
            return True
        return bool(fact.get("pointer")) and not kind.startswith(("tuple[", "Mapping["))

    def default(self, kind: str, fact: dict[str, Any]) -> tuple[str, str]:
        """(default, "") or ("", default factory)."""
        if self.absent(kind, fact):
            dated = kind in ("Time", "MicroTime") and written(fact)
            return ("", self.use("wherry.machinery.meta", "no_time")) if dated else ("None", "")
        if kind.startswith("tuple["):
            return ("", self.use("wherry.machinery.meta", "no_items")) if fact.get("always") else ("()", "")
        if kind.startswith("Mapping["):
            return "", "dict"
        if kind in ALWAYS and (fact.get("always") or kind == "Quantity"):
            return "", self.use("wherry.machinery.meta", ALWAYS[kind])
        if kind in ALWAYS or not written(fact):
            return ZEROS.get(kind, f"{kind}()"), ""
        return "", f"{self.use('wherry.machinery.meta', 'shown')}({kind})"

    def struct(self, definition: str) -> str:
        """One class."""
        fact, short = self.types[definition], definition.rsplit(".", 1)[1]
        fields = dict(fact.get("fields", {}))
        lines = []
        if definition in self.kinds:
            base = self.use("wherry.machinery.meta", "Object")
            kind, version = self.kinds[definition]
            factory = self.use("msgspec", "field")
            lines += [f'    kind: str = {factory}(default_factory=lambda: "{kind}")']
            lines += [f'    api_version: str = {factory}(default_factory=lambda: "{version}")']
            for given in ("kind", "apiVersion", "metadata"):
                fields.pop(given, None)
        else:
            base = "Model"
        lines += [self.field(name, sub) for name, sub in fields.items()]
        body = "\n".join(lines)
        return f'class {short}({base}, frozen=True):\n    """{definition}"""\n\n{body}\n'

    def order(self) -> list[str]:
        """Definitions so that what a default instantiates comes first."""
        graph: dict[str, set[str]] = {}
        for definition in self.definitions:
            needs = graph.setdefault(definition, set())
            for fact in self.types[definition].get("fields", {}).values():
                ref = fact.get("ref", "")
                if ref in self.definitions and not fact.get("pointer") and self.is_struct(ref):
                    needs.add(ref)
        return list(TopologicalSorter({k: sorted(v) for k, v in sorted(graph.items())}).static_order())

    def text(self) -> str:
        """The whole file."""
        classes = [self.struct(definition) for definition in self.order()]
        head = [f'"""Generated from the Kubernetes API schema by hack/generate_types.py: {self.name}. Do not edit."""']
        head += ["from __future__ import annotations", ""]
        for module, names in sorted(self.imports.items()):
            if module == "typing" or names:
                head.append(f"from {module} import {', '.join(sorted(names))}")
        return "\n".join(head) + "\n\n\n" + "\n\n".join(classes)


def reachable(facts: dict[str, Any], roots: list[str]) -> list[str]:
    """Every struct definition that the roots use."""
    seen: set[str] = set()
    todo = list(roots)

    def refs(fact: dict[str, Any]) -> list[str]:
        found = [fact["ref"]] if "ref" in fact else []
        for inner in ("items", "values"):
            found += refs(fact[inner]) if inner in fact else []
        return found

    while todo:
        name = todo.pop()
        if name in seen or name in SCALARS or (name.startswith(META) and name[len(META) :] in IN_MACHINERY):
            continue
        fact = facts["types"][name]
        if "fields" not in fact and (
            fact.get("type") != "object" or name.rsplit(".", 1)[1].startswith(("JSON", "FieldsV1", "RawExtension"))
        ):
            continue
        seen.add(name)
        for sub in fact.get("fields", {}).values():
            todo += refs(sub)
    return sorted(seen)


def merge_facts(facts: dict[str, Any], definitions: list[str]) -> str:
    """The module that says how lists and maps merge: {"core.Container": {"ports": (list type, keys, ...)}}."""
    table: dict[str, dict[str, Any]] = {}
    meta = [META + name for name in sorted(IN_MACHINERY)]
    for definition in [*definitions, *meta]:
        owner = f"{'meta' if definition in meta else module_of(definition)}.{definition.rsplit('.', 1)[1]}"
        for name, fact in facts["types"][definition].get("fields", {}).items():
            known = {k: fact[k] for k in ("listType", "listKeys", "mapType", "mergeKey", "strategy") if k in fact}
            if ref := fact.get("ref"):
                known |= {k: v for k, v in facts["types"][ref].items() if k in ("mapType",)}
            item = facts["types"].get(fact.get("items", {}).get("ref"), {})
            if fact.get("listType", "atomic") != "atomic" and "mapType" in item:
                known["itemMapType"] = item["mapType"]
            if "default" in fact and not isinstance(fact["default"], dict):
                known["default"] = fact["default"]
            if known:
                table.setdefault(owner, {})[name] = known
    rows = "\n".join(f"    {owner!r}: {fields!r}," for owner, fields in sorted(table.items()))
    return (
        '"""Generated by hack/generate_types.py: how fields merge under patches and apply. Do not edit."""\n\n'
        "from __future__ import annotations\n\nfrom typing import Any\n\n"
        f"MERGE: dict[str, dict[str, dict[str, Any]]] = {{\n{rows}\n}}\n"
    )


def catalog(served: list[dict[str, Any]], by_kind: dict[tuple[str, str, str], str]) -> str:
    """The module that lists what is served, from the discovery facts."""
    imports: dict[str, set[str]] = {}
    rows = []
    for r in served:
        definition = by_kind[(r["group"], r["version"], r["kind"])]
        module, short = module_of(definition), definition.rsplit(".", 1)[1]
        imports.setdefault(module, set()).add(short)
        values = {
            k: tuple(r[j]) for k, j in (("short_names", "shortNames"), ("categories", "categories"), ("verbs", "verbs"))
        }
        subresources = {
            k: (v["group"], v["version"], v["kind"], tuple(v["verbs"])) for k, v in r["subresources"].items()
        }
        rows.append(
            f"    Served({module}.{short}, {r['group']!r}, {r['version']!r}, {r['kind']!r}, {r['plural']!r}, "
            f"{r['singular'] or r['kind'].lower()!r}, {r['namespaced']}, {values['short_names']!r}, "
            f"{values['categories']!r}, {values['verbs']!r}, {subresources!r}),"
        )
    names = "\n".join(f"from wherry.api.types import {m}" for m in sorted(imports))
    return f'''"""Generated by hack/generate_types.py: every resource of the API, as discovery names it. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

{names}
from wherry.machinery.meta import Object


@dataclass(frozen=True, slots=True)
class Served:
    """One resource: `subresources` maps a name to (group, version, kind, verbs), "" as the parent's."""

    type: type[Object]
    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    verbs: tuple[str, ...]
    subresources: Mapping[str, tuple[str, str, str, tuple[str, ...]]]


SERVED: tuple[Served, ...] = (
{chr(10).join(rows)}
)
'''


def generate(folder: Path) -> None:
    """Write every file into `folder`, formatted."""
    facts = json.loads((HERE / "schema" / "facts.json").read_text())
    by_kind = {
        tuple(gvk): name for name, t in facts["types"].items() for gvk in t.get("kinds", []) if len(t["kinds"]) == 1
    }
    served = [r for r in facts["resources"] if r["version"] in VERSIONS]
    kinds = {by_kind[k]: (k[2], f"{k[0]}/{k[1]}" if k[0] else k[1]) for k in by_kind if k[1] in VERSIONS}
    roots = [by_kind[(r["group"], r["version"], r["kind"])] for r in served] + EXTRA
    definitions = reachable(facts, roots)
    kinds = {d: v for d, v in kinds.items() if d in definitions}
    modules: dict[str, list[str]] = {}
    for definition in definitions:
        modules.setdefault(module_of(definition), []).append(definition)
    folder.mkdir(parents=True, exist_ok=True)
    for name, members in modules.items():
        (folder / f"{name}.py").write_text(Module(facts, name, members, kinds).text())
    (folder / "merge.py").write_text(merge_facts(facts, definitions))
    (folder / "catalog.py").write_text(catalog(served, by_kind))
    (folder / "__init__.py").write_text(
        '"""Generated structs of the Kubernetes API, one module per group (make update). Fields only."""\n'
    )
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "-q", "--fix", "--select", "I,F401", str(folder)], check=True)
    subprocess.run([*ruff, "format", "-q", str(folder)], check=True)


def main() -> int:
    """Rewrite or check."""
    if "--check" not in sys.argv:
        generate(OUT)
        return 0
    with tempfile.TemporaryDirectory(dir=HERE.parent) as fresh:
        generate(Path(fresh))
        stale = [
            f.name
            for f in Path(fresh).glob("*.py")
            if not (OUT / f.name).is_file() or (OUT / f.name).read_text() != f.read_text()
        ]
    if stale:
        sys.stderr.write(f"out of date, run `make update`: {', '.join(sorted(stale))}\n")
    return bool(stale)


if __name__ == "__main__":
    raise SystemExit(main())
