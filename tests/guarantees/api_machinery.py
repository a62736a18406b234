"""Section 2: API machinery."""

from __future__ import annotations

from tests.guarantees.row import Row

ROWS: tuple[Row, ...] = ()
