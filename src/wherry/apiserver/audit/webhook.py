"""AuditWebhook: records to a webhook, in batches.

Mode "batch": nobody waits for it. Mode "blocking": an answer waits until the webhook has its record, or has failed it.
Records wait in a queue of QUEUED; when it is full, the newest are dropped and counted (apiserver_audit_error_total):
a webhook that does not keep up must not stop the cluster, and the file has them. A batch that is refused or not
answered is tried TRIES times in all, each time after a longer wait, then dropped and counted.
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from wherry.apiserver.webhooks.client import CallFailed, Target, WebhookClient

logger = logging.getLogger(__name__)

QUEUED: Final = 10_000
BATCH: Final = 400
BATCH_BYTES: Final = 10 * 1024 * 1024
WAIT_SECONDS: Final = 1.0
"""Longest that a record waits for others to go with."""
TIMEOUT_SECONDS: Final = 30.0
TRIES: Final = 5
FACTOR: Final = 1.5

Mode = Literal["batch", "blocking"]


@dataclass(frozen=True, slots=True)
class Sending:
    """How records are sent. `backoff` seconds pass before the second try; a record of more than `largest` bytes is sent
    without its bodies (0: however large it is)."""

    mode: Mode = "batch"
    backoff: float = 10.0
    largest: int = 0


class _Queued(NamedTuple):
    record: bytes
    taken: asyncio.Future[bool] | None


class AuditWebhook:
    """Sends records to `target`; `lost(n)` is called when n of them are dropped."""

    def __init__(
        self, client: WebhookClient, target: Target, lost: Callable[[int], None], sending: Sending | None = None
    ) -> None:  # fmt: skip
        self.sending = sending or Sending()
        self._client = client
        self._target = target
        self._lost = lost
        self._queue: deque[_Queued] = deque()
        self._filled = asyncio.Event()

    def put(self, record: bytes) -> None:
        """Queue one record."""
        self._put(_Queued(record, None))

    def give(self, record: bytes) -> asyncio.Future[bool]:
        """The same; the future says whether the webhook has taken it. Nobody need wait for it."""
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._put(_Queued(record, taken)):
            taken.set_result(False)
        return taken

    def _put(self, queued: _Queued) -> bool:
        if len(self._queue) >= QUEUED:
            self._lost(1)
            return False
        self._queue.append(queued)
        self._filled.set()
        return True

    async def keep(self) -> None:
        """For ever: send."""
        while True:
            await self._filled.wait()
            if len(self._queue) < BATCH and self.sending.mode == "batch":
                await asyncio.sleep(WAIT_SECONDS)
            batch = self._batch()
            if not self._queue:
                self._filled.clear()
            sent = False
            try:
                sent = await self._send([queued.record for queued in batch])
            finally:
                for queued in batch:
                    if queued.taken is not None and not queued.taken.done():
                        queued.taken.set_result(sent)

    def _batch(self) -> list[_Queued]:
        """As many as go together; a record that is larger than that goes alone."""
        batch: list[_Queued] = []
        size = 0
        while self._queue and len(batch) < BATCH:
            size += len(self._queue[0].record)
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: list[bytes]) -> bool:
        body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%b]}' % b",".join(batch)
        wait = self.sending.backoff
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(wait)
                wait *= FACTOR
            try:
                await self._client.post(self._target, body, TIMEOUT_SECONDS)
            except CallFailed as error:
                logger.warning("the audit webhook did not take %d records: %s", len(batch), error)
            else:
                return True
        self._lost(len(batch))
        return False
