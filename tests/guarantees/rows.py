"""Every promise that has a row: the sections of the list, in order."""

from __future__ import annotations

from tests.guarantees import (
    api_machinery,
    controllers,
    histories,
    network,
    outages,
    security,
    security_access,
    security_nodes,
    security_objects,
    security_parsers,
    security_requests,
    security_secrets,
    store,
    upgrades,
    watches,
)

ROWS = (
    *store.ROWS,
    *watches.ROWS,
    *histories.ROWS,
    *api_machinery.ROWS,
    *controllers.ROWS,
    *network.ROWS,
    *outages.ROWS,
    *upgrades.ROWS,
    *security_access.ROWS,
    *security_secrets.ROWS,
    *security.ROWS,
    *security_requests.ROWS,
    *security_objects.ROWS,
    *security_nodes.ROWS,
    *security_parsers.ROWS,
)
