"""FlowControl: the gate that every request passes: classified, seated or queued, refused with 429 when too many wait.

Follows FlowSchemas and PriorityLevelConfigurations in the windows. What a user's request of one kind belongs to is
remembered until they change, so that a request that finds a seat pays a few dictionary look-ups. A list takes a seat
per OBJECTS_PER_SEAT objects it may show; a watch only sits while it begins. In-process clients do not pass here.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.flowcontrol.flowschema import FLOWSCHEMA
from wherry.api.flowcontrol.mandatory import CATCH_ALL
from wherry.api.flowcontrol.prioritylevelconfiguration import PRIORITYLEVELCONFIGURATION
from wherry.api.types.flowcontrol import FlowSchema, PriorityLevelConfiguration
from wherry.apiserver.authn.user import User
from wherry.apiserver.flowcontrol.bootstrap import LEVELS, MANDATORY, SCHEMAS
from wherry.apiserver.flowcontrol.level import Full, Level
from wherry.apiserver.flowcontrol.rules import distinguisher, in_order, matches
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.errors import TooManyRequests
from wherry.machinery.metrics import Counter, Family, Histogram, Labels, Reading
from wherry.machinery.resource import Resource
from wherry.store.entry import Event
from wherry.store.windows import Windows

logger = logging.getLogger(__name__)

SEATS = 200
"""Seats of the whole server: what one core can work on at once without making everybody wait."""
OBJECTS_PER_SEAT = 100
WIDEST = 50
"""Most seats one list takes."""
WAIT_SECONDS = 15.0
RETRY_SECONDS = 1
LONG_RUNNING = frozenset({"attach", "exec", "log", "portforward", "proxy"})
"""Subresources that last as long as their user likes: they take no seat."""
_REMEMBERED = 4096
_WAITS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)


@dataclass(frozen=True, slots=True)
class Class:
    """What a request belongs to; `labels` are (flow_schema, priority_level), `served` how many have been let in."""

    level: Level
    flow: str
    labels: Labels
    headers: Mapping[str, str]
    served: list[int]


class FlowControl:
    """The levels of one server. `seats`: how many there are in all; 0 turns everything off."""

    def __init__(self, windows: Windows, clock: Clock, seats: int = SEATS) -> None:
        self._windows = windows
        self._clock = clock
        self.seats = seats
        self.levels: dict[str, Level] = {}
        self._schemas: list[FlowSchema] = []
        self._known: dict[tuple[User, Labels, str], Class] = {}
        self._stale = True
        self._served: dict[Labels, list[int]] = {}
        self.rejected = Counter(
            "apiserver_flowcontrol_rejected_requests_total",
            "[BETA] Number of requests rejected by API Priority and Fairness subsystem",
            ("flow_schema", "priority_level", "reason"),
        )
        self.waited = Histogram(
            "apiserver_flowcontrol_request_wait_duration_seconds",
            "[BETA] Length of time a request spent waiting in its queue",
            ("execute", "flow_schema", "priority_level"),
            _WAITS,
        )

    def follow(self) -> None:
        """Notice every change of the objects."""
        resources: tuple[Resource[Any], ...] = (FLOWSCHEMA, PRIORITYLEVELCONFIGURATION)
        for resource in resources:
            window = self._windows.of(resource)
            window.watch(window.revision, self._changed)

    def _changed(self, event: Event[Any]) -> bool:
        # The status of a schema is no concern of ours, and is written by our own keeper.
        if event.type != "MODIFIED" or event.previous is None or event.entry.obj.spec != event.previous.obj.spec:
            self._stale = True
        return True

    def width(self, klass: Class, info: RequestInfo) -> int:
        """How many seats a request takes."""
        if info.verb not in ("list", "watch") or not info.is_resource:
            return 1
        count = self._windows.count(info.group, info.resource) if not info.name else 1
        width = min(1 + count // OBJECTS_PER_SEAT, WIDEST)
        limit = klass.level.limit
        return width if limit is None else max(1, min(width, limit))

    async def wait(self, klass: Class, width: int) -> None:
        """Wait for seats, and take them. Raises Refused."""
        began = self._clock.monotonic()
        try:
            await klass.level.wait(klass.flow, width, WAIT_SECONDS)
        except Full as full:
            self.rejected.add((*klass.labels, full.reason))
            self.waited.observe(("false", *klass.labels), self._clock.monotonic() - began)
            text = "too many requests, please try again later"
            raise Refused(text, klass.headers, retry_after=RETRY_SECONDS) from None
        self.waited.observe(("true", *klass.labels), self._clock.monotonic() - began)

    def classify(self, user: User, info: RequestInfo) -> Class:
        """What a request belongs to. Whether it finds seats is for `klass.level.take(width)` to say, or else `wait`."""
        if self._stale:
            self._digest()
        key = (user, info.what, info.namespace if info.is_resource else info.path)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._classify(user, info)
        return known

    def _classify(self, user: User, info: RequestInfo) -> Class:
        for schema in self._schemas:
            level = self.levels.get(schema.spec.priority_level_configuration.name)
            if level is not None and matches(schema, user, info):
                break
        else:
            schema, level = self._schemas[-1], self.levels[CATCH_ALL]
        headers = {
            "X-Kubernetes-PF-FlowSchema-UID": schema.metadata.uid,
            "X-Kubernetes-PF-PriorityLevel-UID": level.uid,
        }
        name = schema.metadata.name
        flow = f"{name}/{distinguisher(schema, user, info)}"
        labels = (name, level.name)
        return Class(level, flow, labels, headers, self._served.setdefault(labels, [0]))

    def _digest(self) -> None:
        """Read the objects; mandatory ones count even while they are missing."""
        self._stale = False
        self._known.clear()
        schemas = {schema.metadata.name: schema for schema in SCHEMAS if schema.metadata.name in MANDATORY}
        schemas |= {entry.name: entry.obj for entry in self._windows.of(FLOWSCHEMA).list().items}
        self._schemas = in_order(schemas.values())
        configs = {level.metadata.name: level for level in LEVELS if level.metadata.name in MANDATORY}
        configs |= {entry.name: entry.obj for entry in self._windows.of(PRIORITYLEVELCONFIGURATION).list().items}
        total = sum(map(_shares, configs.values())) or 1
        levels = {name: self.levels.get(name) or Level(name) for name in configs}
        for name, config in configs.items():
            share = -(-self.seats * _shares(config) // total)
            levels[name].configure(config, None if config.spec.type == "Exempt" else max(1, share))
        for level in levels.values():
            level.borrowable = [other for other in levels.values() if other is not level and other.limit is not None]
        for name in self.levels.keys() - levels.keys():  # let out who still waits in a level that is no more
            self.levels[name].limit = None
            self.levels[name].serve()
        self.levels = levels
        for level in levels.values():
            level.serve()

    @property
    def ready(self) -> bool:
        """Whether the objects have been read; reads them if not."""
        if self._stale:
            self._digest()
        return CATCH_ALL in self.levels

    def families(self) -> tuple[Family, ...]:
        """The metrics."""
        prefix = "apiserver_flowcontrol"
        return (
            Reading(
                f"{prefix}_dispatched_requests_total",
                "[BETA] Number of requests executed by API Priority and Fairness subsystem",
                ("flow_schema", "priority_level"),
                lambda: {labels: float(count[0]) for labels, count in self._served.items()},
                "counter",
            ),
            self.rejected,
            self.waited,
            Reading(
                f"{prefix}_nominal_limit_seats",
                "[BETA] Nominal number of execution seats configured for each priority level",
                ("priority_level",),
                lambda: {(level.name,): float(level.limit or 0) for level in self._levels()},
            ),
            Reading(
                f"{prefix}_current_executing_seats",
                "[BETA] Concurrency (number of seats) occupied by the currently executing requests",
                ("priority_level",),
                lambda: {(level.name,): float(level.taken) for level in self._levels()},
            ),
            Reading(
                f"{prefix}_current_inqueue_requests",
                "[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem",
                ("priority_level",),
                lambda: {(level.name,): float(level.waiting) for level in self._levels()},
            ),
        )

    def _levels(self) -> list[Level]:
        return list(self.levels.values()) if self.ready else []


class Refused(TooManyRequests):
    """429 of the gate, with the headers that say by what."""

    def __init__(self, message: str, headers: Mapping[str, str], *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.headers = headers


def _shares(config: PriorityLevelConfiguration) -> int:
    spec = config.spec
    own = spec.limited or spec.exempt
    shares = own.nominal_concurrency_shares if own else None
    return (30 if spec.limited else 0) if shares is None else shares
