"""Section 4: security."""

from __future__ import annotations

from tests.guarantees.row import Row

ROWS: tuple[Row, ...] = ()
