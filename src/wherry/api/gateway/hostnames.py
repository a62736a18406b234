"""Host names of listeners and routes: an exact one, `*.` and a suffix, or "" for any. Pure.

https://gateway-api.sigs.k8s.io/reference/spec/#hostname
"""

from __future__ import annotations

from collections.abc import Iterable


def covers(wide: str, host: str) -> bool:
    """Whether every name of `host` is one of `wide`."""
    if not wide or wide == host:
        return True
    return wide.startswith("*.") and bool(host) and host.removeprefix("*").endswith(wide[1:]) and host != wide[2:]


def common(listener: str, route: str) -> str | None:
    """What both mean; None where that is nothing."""
    if covers(listener, route):
        return route
    return listener if covers(route, listener) else None


def intersection(listener: str, routes: Iterable[str]) -> tuple[str, ...]:
    """The host names under which a route is there at a listener, lower case; nothing where they have none in common."""
    asked = tuple(routes) or ("",)
    found = (common(listener.lower(), one.lower()) for one in asked)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def rank(host: str) -> tuple[int, int]:
    """Sorts host names: what matches less comes later."""
    if not host:
        return (0, 0)
    return (1, len(host)) if host.startswith("*") else (2, len(host))
