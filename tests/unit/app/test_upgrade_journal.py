"""The journal survives whoever wrote it, and knows where an upgrade came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.app import version
from wherry.app.config import Config
from wherry.app.supervise import Unit
from wherry.app.upgrade import journal

OLD = {"server": Unit("server", ("/old/python", "server"), "log", 0, 10, "0.1.0 settings 01234567")}
NEW = {"server": OLD["server"]._replace(argv=("/new/python", "server"))}


def test_an_upgrade_that_goes_on_keeps_what_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(root=str(tmp_path))
    assert journal.read(config) is None
    first = journal.begin(config, OLD, ("/old/python",))
    assert journal.read(config) == first
    assert journal.begin(config, NEW, ("/new/python",)) == first
    assert first.units == OLD
    monkeypatch.setattr(version, "wherry", lambda: "0.0.9")
    assert journal.begin(config, NEW, ()).units == NEW, "an upgrade to another version begins anew"
    journal.end(config)
    journal.end(config)
    assert journal.read(config) is None


def test_a_journal_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "upgrade.json").write_text("{")
    assert journal.read(Config(root=str(tmp_path))) is None
