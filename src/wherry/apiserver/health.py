"""Health: /livez, /readyz and /healthz with their named checks, in upstream's words.

A check is a function that returns "" when all is well, or what is wrong; what is wrong goes to the log, not to the
client. https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from wherry.apiserver.http import Request, Response
from wherry.machinery.errors import NoSuchPath
from wherry.machinery.metrics import Family, Labels, Reading

logger = logging.getLogger(__name__)

Check = Callable[[], str]
"""A named health check: "" when fine, or what is wrong."""
KINDS = ("healthz", "livez", "readyz")
_TEXT = "text/plain; charset=utf-8"


class Health:
    """The checks of one server; /livez leaves out those in `ready_only`."""

    def __init__(self, checks: Mapping[str, Check], ready_only: frozenset[str] = frozenset()) -> None:
        self._checks = dict(checks)
        self._ready_only = ready_only

    def names(self, kind: str) -> list[str]:
        """The checks of an endpoint, in order."""
        return [name for name in self._checks if kind == "readyz" or name not in self._ready_only]

    def answer(self, request: Request, kind: str, only: str) -> Response:
        """What an endpoint says; `only` is the name of one check, or "". Raises NotFound."""
        names = self.names(kind)
        if only:
            if only not in names:
                raise NoSuchPath
            problem = self._checks[only]()
            if not problem:
                return _text(b"ok")
            return _text(f"internal server error: {problem}\n".encode(), 500)
        return self._all(request, kind, names)

    def _all(self, request: Request, kind: str, names: list[str]) -> Response:
        excluded = [name for value in request.query.all("exclude") for name in value.split(",") if name]
        lines, failed = [], []
        for name in names:
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif problem := self._checks[name]():
                failed.append(name)
                lines.append(f"[-]{name} failed: reason withheld")
                logger.warning("%s: check %s failed: %s", kind, name, problem)
            else:
                lines.append(f"[+]{name} ok")
        unknown = sorted({name for name in excluded if name not in names})
        if unknown:
            quoted = ", ".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if not failed and "verbose" not in request.query:
            return _text(b"ok")
        lines.append(f"{kind} check {'failed' if failed else 'passed'}")
        return _text(("\n".join(lines) + "\n").encode(), 500 if failed else 200)

    def families(self) -> Iterable[Family]:
        """The metrics."""

        def read() -> dict[Labels, float]:
            good = {name: float(not check()) for name, check in self._checks.items()}
            return {(name, kind): good[name] for kind in KINDS for name in self.names(kind)}

        text = "[STABLE] This metric records the result of a single healthcheck."
        return (Reading("kubernetes_healthcheck", text, ("name", "type"), read),)


def _text(body: bytes, status: int = 200) -> Response:
    return Response(body, status, _TEXT, {"X-Content-Type-Options": "nosniff"})
