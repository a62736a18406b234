"""Marks that earlier releases have put on containers: this one must understand them, or it would restart them all.

`hashes.json` holds a few of every release. Add those of a new one; never change what is there.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.node.pods import made
from wherry.api.types.core import Container as Spec
from wherry.machinery.codec import from_dict, to_dict
from wherry.node import facts
from wherry.node.runtime.interface import Container

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "hashes.json").read_text())
SPECS = [case["container"] for case in CASES]


def marked(mark: str) -> Container:
    """A container with this mark."""
    return dataclasses.replace(made("c"), annotations={facts.HASH: mark})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['release']} {case['container']['name']}")
def test_marks_of_earlier_releases_are_understood(case: dict[str, Any]) -> None:
    spec = from_dict(Spec, case["container"])
    assert facts.container_hash(spec, case["hash"].partition(":")[0]) == case["hash"]
    there = marked(case["hash"])
    assert not facts.changed(spec, there)
    assert facts.changed(from_dict(Spec, {**case["container"], "image": "another"}), there)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec["name"]))
def test_only_name_and_image_are_in_the_mark(spec: dict[str, Any]) -> None:
    plain = from_dict(Spec, {"name": spec["name"], "image": spec["image"]})
    assert facts.container_hash(from_dict(Spec, spec)) == facts.container_hash(plain)
    assert facts.container_hash(from_dict(Spec, {**spec, "addedInTheNextRelease": 7})) == facts.container_hash(plain)
    assert to_dict(from_dict(Spec, spec)) != to_dict(plain) or spec == {"name": spec["name"], "image": spec["image"]}


def test_a_mark_of_a_later_release_restarts_nothing() -> None:
    spec = from_dict(Spec, SPECS[0])
    for mark in ("", "v9:0123456789abcdef", "nonsense"):
        assert not facts.changed(spec, marked(mark))
