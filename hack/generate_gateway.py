"""Write `src/wherry/api/gateway/definitions.json`: the Gateway API's definitions (`make update-facts`).

Read from the standard channel of the Go module sigs.k8s.io/gateway-api at `VERSION` (needs Go). Only facts are kept:
structure, defaults, limits and rules with their messages, which clients see; no descriptions. What a server would fill
in stands there, so that a definition is known again in a store.
    python hack/generate_gateway.py            # with --check it only compares (exit 1 when different)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from schema_facts import module

VERSION = "1.6.3"
MODULE = "sigs.k8s.io/gateway-api"
FOLDER = "config/crd/standard"
PLURALS = ("gatewayclasses", "gateways", "httproutes", "referencegrants")
OUT = Path(__file__).parent.parent / "src/wherry/api/gateway/definitions.json"


def facts(value: Any, *, names: bool = False) -> Any:
    """A schema without its words. `names`: the keys are the names of properties, `description` among them or not."""
    if isinstance(value, list):
        return [facts(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: facts(sub, names=key == "properties" and not names)
        for key, sub in value.items()
        if names or key != "description" or not isinstance(sub, str)
    }


def definitions(root: Path) -> list[dict[str, Any]]:
    """The definitions in the order of `PLURALS`."""
    group = "gateway.networking.k8s.io"
    found = [facts(yaml.safe_load((root / FOLDER / f"{group}_{plural}.yaml").read_text())) for plural in PLURALS]
    return [one | {"spec": {"conversion": {"strategy": "None"}} | one["spec"]} for one in found]


def main() -> int:
    """Write or compare."""
    found = definitions(module(MODULE, f"v{VERSION}"))
    text = "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in found) + "\n]\n"
    if "--check" in sys.argv:
        return int(not OUT.is_file() or OUT.read_text() != text)
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
