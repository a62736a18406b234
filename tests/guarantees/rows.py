"""Every promise that has a row: the sections of the list, in order."""

from __future__ import annotations

from tests.guarantees import (
    api_machinery,
    controllers,
    network,
    outages,
    security,
    store,
    watches,
)

ROWS = (
    *store.ROWS,
    *watches.ROWS,
    *api_machinery.ROWS,
    *controllers.ROWS,
    *network.ROWS,
    *outages.ROWS,
    *security.ROWS,
)
