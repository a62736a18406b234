"""Golden cases per kind: what a manifest becomes, and why one is refused.

`tests/golden/api/<kind>/<file>.yaml` holds a list of cases:
  case:      what it is about
  object:    the manifest; `merge` of the file's first document's `base` is put under it
  old:       the object before, where the case is an update (as made, with this status)
  door:      the subresource written to, where it is one ("status", "approval", ...)
  becomes:   dotted paths -> values after default and prepare (a path that is absent: null)
  refused:   every error, as `path: message`, in any order; absent or empty: accepted
  warns:     every warning
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from wherry.api.registry import RESOURCES
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.resource import Resource
from wherry.machinery.validation import FieldError

HERE = Path(__file__).parent
BY_KIND: dict[tuple[str, str], Resource[Any]] = {(r.api_version, r.kind): r for r in RESOURCES}


def merged(base: Any, over: Any) -> Any:
    """`over` laid upon `base`: maps are merged, null removes, everything else replaces."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(out.get(key), value)
        if value is None:
            del out[key]
    return out


def cases() -> Iterator[Any]:
    for path in sorted(HERE.glob("*/*.yaml")):
        base, *rest = yaml.safe_load_all(path.read_text())
        for case in rest[0]:
            name = f"{path.parent.name}/{path.stem}: {case['case']}"
            yield pytest.param(base, case, id=name)


def at(obj: Any, path: str) -> Any:
    """The value at a dotted path (`spec.containers.0.name`), None where there is none."""
    for step in path.split("."):
        if isinstance(obj, list):
            obj = obj[int(step)] if int(step) < len(obj) else None
        elif isinstance(obj, dict):
            obj = obj.get(step.replace("~", "."))
        else:
            return None
    return obj


def checks(resource: Resource[Any], door: str) -> Callable[[Any, Any], Iterable[FieldError]]:
    """What validates a write through this door."""
    return resource.checks.get(door, resource.validate_status if door == "status" else resource.validate)


def before(resource: Resource[Any], base: Any, case: Any) -> Any:
    """The object as it was: created once, with the status that has been written since."""
    given = resource.default(from_dict(resource.type, merged(base, case)))
    made = resource.prepare(given, None)
    return replace(made, status=given.status) if "status" in case else made


@pytest.mark.parametrize(("base", "case"), list(cases()))
def test_case(base: dict[str, Any], case: dict[str, Any]) -> None:
    manifest = merged(base, case.get("object", {}))
    resource = BY_KIND[manifest["apiVersion"], manifest["kind"]]

    def ready(obj: Any, old: Any) -> Any:
        return resource.prepare(resource.default(from_dict(resource.type, obj)), old)

    old = before(resource, base, case["old"]) if "old" in case else None
    new = ready(manifest, old)
    assert resource.default(new) == new, "defaulting twice changes nothing"
    check = checks(resource, case.get("door", ""))
    assert sorted(f"{e.path}: {e.message}" for e in check(new, old)) == sorted(case.get("refused", []))
    if "warns" in case:
        assert list(resource.warn(new, old)) == case["warns"]
    found = to_dict(new)
    assert {path: at(found, path) for path in case.get("becomes", {})} == case.get("becomes", {})
