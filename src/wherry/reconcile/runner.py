"""Run controllers: watch -> shared caches -> queue of keys -> plan -> execute -> wait until our own writes are seen.

A key is planned by one worker at a time; not again before the caches have seen what its last run wrote; not again
within ten times the time its plan took; after an error with an exponential back-off of its own. A controller starts
when the initial state of everything it looks at is in the caches. Errors of one key never stop another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, Conflict
from wherry.machinery.meta import Key, Object, controller_of, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Emit
from wherry.reconcile.cache import Caches, CacheView, Pace
from wherry.reconcile.context import Context, Tracked
from wherry.reconcile.controller import AnyController, AsyncController, Changed, Controller, Mapper, resources_of
from wherry.reconcile.customs import follow_customs
from wherry.reconcile.executor import execute
from wherry.reconcile.queue import KeyQueue

log = logging.getLogger(__name__)

SHARE = 10
"""A plan that took t rests for SHARE * t."""

FIRST_RETRY, LAST_RETRY = 0.05, 60.0
LONGEST_REST = 1.0
"""Seconds that a refused key rests whatever wakes it: telling a refusal in a status is itself such a change."""


class Runner:
    """One controller at work on the shared caches."""

    def __init__(
        self, controller: AnyController, client: Client, clock: Clock, caches: Caches, pace: Pace
    ) -> None:  # fmt: skip
        self.controller = controller
        self.queue = KeyQueue()
        self._client, self._clock, self._caches, self._pace = client, clock, caches, pace
        self._errors: dict[Key, APIError] = {}
        self._backoffs: dict[Key, Backoff] = {}
        component = controller.component or f"{controller.name}-controller"
        self._recorder = Recorder(client, clock, component)
        self._listen()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._caches.synced(resources_of(self.controller))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._recorder.run(), name=f"{self.controller.name}/events")
                for n in range(self.controller.concurrency):
                    group.create_task(self._work(group), name=f"{self.controller.name}/{n}")
        finally:
            self.queue.close()

    # --- What wakes ---

    def _listen(self) -> None:
        controller = self.controller
        if controller.primary is not None:
            self._on(controller.primary, _itself, controller.changed)
            for resource in controller.owns:
                self._on(resource, partial(_owner, controller.primary), _any_change)
        for watch in controller.watches:
            self._on(watch.resource, watch.keys, watch.changed)

    async def join(self, resource: Resource[Any]) -> None:
        """A custom kind is there: be woken by it, and look at what waited for it once its objects are known."""
        customs = self.controller.customs
        if customs is None:
            return
        watch = customs.watch(resource)
        self._on(watch.resource, watch.keys, watch.changed)
        await self._caches.of(resource).synced.wait()
        for key in customs.joined(CacheView(self._caches, self._clock.now()), resource):
            self.queue.add(key)

    def leave(self, resource: Resource[Any]) -> None:
        """A custom kind is gone."""
        if self.controller.customs is not None:
            self.controller.customs.left(resource)

    def _on(self, resource: Resource[Any], keys: Mapper, changed: Changed) -> None:
        def wake(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and not changed(old, new):
                return
            view = CacheView(self._caches, self._clock.now())
            for obj in (old, new):
                if obj is not None:
                    for key in keys(view, obj):
                        self.queue.add(key)

        self._caches.of(resource).listen(wake)

    # --- What is done ---

    async def _work(self, group: asyncio.TaskGroup) -> None:
        while True:
            key = await self.queue.get()
            await self._pace.breathe()
            api = Tracked(self._client)
            hold = await self._once(key, api)
            waits = api.conditions(self._caches)
            if waits:
                group.create_task(self._settle(key, hold, api))
            else:
                self.queue.done(key, hold)

    async def _settle(self, key: Key, hold: float, api: Tracked) -> None:
        """The gate: give the key back when the caches show what was written."""
        for resource, holds in api.conditions(self._caches):
            await self._caches.of(resource).wait_until(holds)
        self.queue.done(key, hold)

    async def _once(self, key: Key, api: Tracked) -> float:
        """One run; never raises. Returns for how long the key has to rest."""
        took = rest = 0.0
        try:
            view = CacheView(self._caches, self._clock.now(), self._errors.get(key))
            if isinstance(self.controller, Controller):
                began = self._clock.monotonic()
                actions = list(self.controller.plan(view, key))
                took = self._clock.monotonic() - began
                again = await execute(api, actions, self._tell)
            else:
                again = await self._reconcile(self.controller, key, Context(view, api, self._emit))
        except APIError as error:
            rest = self._failed(key, error)
        except Exception as error:
            log.exception("%s: %s", self.controller.name, key)
            rest = self._failed(key, APIError(str(error) or type(error).__name__))
        else:
            self._errors.pop(key, None)
            self._backoffs.pop(key, None)
            if again is not None:
                self.queue.add(key, max(again, 0.001))
        return max(SHARE * took if took > 0.001 else 0.0, min(rest, LONGEST_REST))

    async def _reconcile(self, controller: AsyncController, key: Key, context: Context) -> float | None:
        return await controller.reconcile(context, key)

    def _emit(self, obj: Object, type_: Any, reason: str, message: str) -> None:
        self._recorder.event(obj, type_, reason, message)

    def _tell(self, emit: Emit) -> None:
        self._recorder.event(emit.obj, emit.type, emit.reason, emit.message)

    def _failed(self, key: Key, error: APIError) -> float:
        """Plan the key again after its back-off; answers how long that is, 0 after a mere conflict."""
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = Backoff(self._clock, first=FIRST_RETRY, cap=LAST_RETRY)
        delay = backoff.failed()
        if not isinstance(error, Conflict):  # a conflict only says that our cache was behind
            log.warning("%s: %s: %s; again in %.2f s", self.controller.name, key, error, delay)
            self._errors[key] = error
        self.queue.add(key, delay)
        return 0.0 if isinstance(error, Conflict) else delay


def _itself(view: object, obj: Object) -> Iterable[Key]:
    return (key_of(obj),)


def _any_change(old: Object, new: Object) -> bool:
    return True


def _owner(primary: Resource[Any], view: object, obj: Object) -> Iterable[Key]:
    ref = controller_of(obj)
    if ref is not None and ref.kind == primary.kind and ref.api_version.rpartition("/")[0] == primary.group:
        yield Key(obj.metadata.namespace if primary.namespaced else "", ref.name)


async def run_controllers(
    client: Client, clock: Clock, controllers: Sequence[AnyController],
    tell: Callable[[Sequence[tuple[str, KeyQueue]]], None] | None = None, act: Callable[[str], Client] | None = None,
) -> None:  # fmt: skip
    """Run all of them until cancelled, with one cache per resource between them, which `client` fills. `tell` gets
    their queues by name; `act` gives each, by its name, the client that it acts through (default: `client`)."""
    resources = dict.fromkeys(resource for controller in controllers for resource in resources_of(controller))
    if any(controller.customs is not None for controller in controllers):
        resources[CUSTOMRESOURCEDEFINITION] = None
    caches, pace = Caches(resources), Pace(clock)
    runners = [
        Runner(controller, client if act is None else act(controller.name), clock, caches, pace)
        for controller in controllers
    ]
    if tell is not None:
        tell([(runner.controller.name, runner.queue) for runner in runners])
    async with asyncio.TaskGroup() as group:
        group.create_task(caches.follow(client, clock, pace), name="controllers/caches")
        if CUSTOMRESOURCEDEFINITION in caches:
            group.create_task(follow_customs(caches, runners), name="controllers/custom kinds")
        for runner in runners:
            group.create_task(runner.run(), name=f"controllers/{runner.controller.name}")
