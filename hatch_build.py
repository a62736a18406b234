"""Build hook: write `wherry/api/definitions.json.gz`, the OpenAPI definitions that the server publishes.

Structure comes from `hack/schema/facts.json`, the descriptions from the schema package named in pyproject.toml, so that
no text of others is kept in this repository.
"""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OUT = "src/wherry/api/definitions.json.gz"
EXTENSIONS = {
    "listType": "x-kubernetes-list-type",
    "listKeys": "x-kubernetes-list-map-keys",
    "mapType": "x-kubernetes-map-type",
    "mergeKey": "x-kubernetes-patch-merge-key",
    "strategy": "x-kubernetes-patch-strategy",
    "unions": "x-kubernetes-unions",
    "default3": "x-v3-default",
    "oneOf": "x-v3-one-of",
}


def schema(fact: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """One OpenAPI v2 schema from its facts and the described schema beside them.

    What begins with `x-v3-` is for version 3 of the document alone.
    """
    out: dict[str, Any] = {}
    listed = "\n".join(["Possible enum values:", *(f' - `"{value}"`' for value in fact.get("enum", ()))])
    listed = listed if "enum" in fact else ""
    if text := "\n\n".join(part for part in (described.get("description", ""), listed) if part):
        out["description"] = text
    for key in ("type", "format", "default", "enum", "required"):
        if fact.get(key) not in (None, []):
            out[key] = fact[key]
    out |= {theirs: fact[ours] for ours, theirs in EXTENSIONS.items() if ours in fact}
    if ref := fact.get("ref"):
        out["$ref"] = f"#/definitions/{ref}"
    if "items" in fact:
        out["items"] = schema(fact["items"], {})
    if "values" in fact:
        out["additionalProperties"] = schema(fact["values"], {})
    if "fields" in fact:
        texts = described.get("properties", {})
        out["properties"] = {name: schema(sub, texts.get(name, {})) for name, sub in fact["fields"].items()}
    if kinds := fact.get("kinds"):
        out["x-kubernetes-group-version-kind"] = [{"group": g, "version": v, "kind": k} for g, v, k in kinds]
    return out


class DefinitionsHook(BuildHookInterface):  # type: ignore[type-arg]  # the plugin's type parameter says nothing here
    """Runs before every wheel and editable build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file and add it to what is packed."""
        root = Path(self.root)
        facts = json.loads((root / "hack/schema/facts.json").read_text())
        minor = facts["version"].rsplit(".", 1)[0]
        folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{minor}.0-local"
        described = json.loads((folder / "_definitions.json").read_text())["$defs"]
        definitions = {name: schema(fact, described.get(name, {})) for name, fact in facts["types"].items()}
        packed = gzip.compress(json.dumps(definitions, sort_keys=True, separators=(",", ":")).encode(), mtime=0)
        (root / OUT).write_bytes(packed)
        build_data["artifacts"].append(OUT)
