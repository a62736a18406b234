"""The list of promises is true: its tests exist, its faults' texts stand once in the product, which still compiles."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from functools import cache

import pytest

from tests.guarantees.row import ROOT, Fault, Proof
from tests.guarantees.rows import ROWS

PROOFS = [proof for row in ROWS for proof in row.proofs]
FAULTS = {fault.name: fault for proof in PROOFS for fault in proof.faults}


@cache
def _names(path: str) -> frozenset[str]:
    """The tests of a file: `test_x` and `TestY::test_x`."""
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{part.name}" for part in node.body if hasattr(part, "name")} | {node.name}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):  # hypothesis: TestX = Machine.TestCase
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            found |= names | {f"{name}::runTest" for name in names}
    return frozenset(found)


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.test)
def test_the_test_of_a_row_exists(proof: Proof) -> None:
    path, _, name = proof.test.partition("::")
    assert (ROOT / path).is_file()
    assert not name or name.partition("[")[0] in _names(path)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_can_be_seeded(fault: Fault) -> None:
    for edit in fault.edits:
        changed = edit.apply()
        assert edit.instead not in ("", edit.text) or edit.text
        if edit.file.endswith(".py"):
            compile(changed, edit.file, "exec")


def test_every_row_is_proved_or_says_what_is_missing() -> None:
    for row in ROWS:
        assert row.proofs or row.missing, row.id
        assert all(proof.faults for proof in row.proofs), row.id


def test_rows_have_names_of_their_own() -> None:
    assert [name for name, count in Counter(row.id for row in ROWS).items() if count > 1] == []


def test_faults_of_one_name_are_one_fault() -> None:
    assert all(FAULTS[fault.name] == fault for proof in PROOFS for fault in proof.faults)


def test_no_fault_is_forgotten() -> None:
    modules = [module for name, module in sys.modules.items() if name.startswith("tests.guarantees.")]
    named = [value for module in modules for value in vars(module).values() if isinstance(value, Fault)]
    assert [fault.name for fault in named if fault.name not in FAULTS] == []
