"""Every promise that has a row: the sections of the list, in order."""

from __future__ import annotations

from tests.guarantees import api_machinery, network, outages, security, store, watches

ROWS = (*store.ROWS, *watches.ROWS, *api_machinery.ROWS, *network.ROWS, *outages.ROWS, *security.ROWS)
