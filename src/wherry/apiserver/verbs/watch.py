"""watch: a window's changes written straight to the client, from wherever it wants to begin.

Without resourceVersion the present state comes first, as ADDED events. The plain form sends the very bytes that every
other watcher gets. A client that falls too far behind is cut off; it resumes from its last revision.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wherry.apiserver.api import Api
from wherry.apiserver.http import Sink, Stream, nothing
from wherry.apiserver.output import WatchForm
from wherry.apiserver.select import Selection
from wherry.apiserver.verbs.list import reached
from wherry.apiserver.verbs.options import ListOptions, revision_of, watch_options
from wherry.apiserver.verbs.watch_converted import InOrder
from wherry.machinery.errors import Gone, Timeout
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Event
from wherry.store.log import Compacted
from wherry.store.window import Watch

BOOKMARK_SECONDS = 60.0
SHORTEST_DEFAULT = 1800
_YIELD_EVERY = 200


async def watch(
    api: Api, resource: Resource[Any], namespace: str, selection: Selection, options: ListOptions, form: WatchForm
) -> Stream:  # fmt: skip
    """The stream of a watch. Raises Invalid, BadRequest before it begins."""
    options = watch_options(options)
    since = revision_of(options.revision)
    watching = _Watching(api, resource, namespace, selection, options, form)
    stream = Stream(lambda sink: watching.run(sink, since, stream.begun), form.content_type)
    return stream


class _Watching:
    """One watch of one client."""

    def __init__(
        self, api: Api, resource: Resource[Any], namespace: str, selection: Selection, options: ListOptions,
        form: WatchForm,
    ) -> None:  # fmt: skip
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._selection = selection
        self._options = options
        self._form = form
        self.plain = form.plain
        self._begun: Callable[[], None] = nothing

    async def run(self, sink: Sink, since: int | None, begun: Callable[[], None]) -> None:
        """Write events until time is up, the client is gone, or it is too slow. `begun`: the present ones are told."""
        self._begun = begun
        custom, ended = self._form.custom, asyncio.Event()
        if custom is None or not custom.converter.asks:
            await self._run(sink, since, ended)
            return
        line = InOrder(sink, self._form, self._api.clock.now, self._selection.late)
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(line.run(ended.set))
            try:
                await self._run(line, since, ended)
            finally:
                telling.cancel()

    async def _run(self, sink: Sink, since: int | None, ended: asyncio.Event) -> None:
        window = self._api.window(self._resource)
        options = self._options
        try:
            if options.send_initial:
                await reached(window, since or 0)
                since = await self._present(sink)
            elif not since:
                since = window.revision
            running = window.watch(
                since,
                self._teller(sink),
                namespace=self._namespace,
                predicate=self._selection.predicate,
                ended=ended.set,
            )
        except Compacted as gone:
            sink.push(self._form.error(Gone(f"too old resource version: {since} ({gone.oldest})")))
            return
        except Timeout as error:
            sink.push(self._form.error(error))
            return
        if options.send_initial and options.bookmarks:
            sink.push(self._form.bookmark(running.revision, initial_end=True))
        self._begun()
        try:
            await self._stay(sink, running, ended)
        finally:
            running.stop()

    def _teller(self, sink: Sink) -> Callable[[Event[Any]], bool]:
        push = sink.push
        if isinstance(sink, InOrder):
            return sink.event
        if self.plain:
            return lambda event: push(event.wire)
        form, clock = self._form, self._api.clock
        return lambda event: push(form.event(event, clock.now()))

    async def _present(self, sink: Sink) -> int:
        """Tell what there is; the revision at which that is true."""
        page = self._api.window(self._resource).list(self._namespace, self._selection.predicate)
        now = self._api.clock.now()
        batch: list[bytes] = []
        items = page.items
        if self._form.custom is not None:
            items = await self._selection.shown(self._form.resource, items)
        for entry in items:
            batch.append(_added(entry) if self.plain else self._form.line("ADDED", entry, now))
            if len(batch) >= _YIELD_EVERY:
                await sink.write(b"".join(batch))
                batch.clear()
        await sink.write(b"".join(batch))
        return page.revision

    async def _stay(self, sink: Sink, running: Watch[Any], ended: asyncio.Event) -> None:
        """Wait for the end, sending bookmarks meanwhile."""
        clock = self._api.clock
        length = self._options.timeout or SHORTEST_DEFAULT + int(self._api.random.choice("0123456789")) * 180
        end = clock.monotonic() + length
        while running.active and not sink.closed:
            left = end - clock.monotonic()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    await ended.wait()
            except TimeoutError:
                if self._options.bookmarks:
                    sink.push(self._form.bookmark(running.revision, initial_end=False))
            else:
                break


def _added(entry: Entry[Any]) -> bytes:
    return b'{"type":"ADDED","object":%b}\n' % entry.data
