"""AuditWebhook: records to a webhook, in batches, without anybody waiting for it.

Records wait in a queue of QUEUED; when it is full, the newest are dropped and counted (apiserver_audit_error_total):
a webhook that does not keep up must not stop the cluster, and the file has them. A batch that is refused or not
answered is tried again RETRIES times, then dropped and counted. Times are those of upstream's batching back end.
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from wherry.apiserver.webhooks.client import CallFailed, Target, WebhookClient

logger = logging.getLogger(__name__)

QUEUED = 10_000
BATCH = 400
BATCH_BYTES = 4 * 1024 * 1024
WAIT_SECONDS = 1.0
"""Longest that a record waits for others to go with."""
TIMEOUT_SECONDS = 30.0
RETRIES = 3
RETRY_SECONDS = 10.0


class AuditWebhook:
    """Sends records to `target`; `lost(n)` is called when n of them are dropped."""

    def __init__(self, client: WebhookClient, target: Target, lost: Callable[[int], None]) -> None:
        self._client = client
        self._target = target
        self._lost = lost
        self._queue: deque[bytes] = deque()
        self._filled = asyncio.Event()

    def put(self, record: bytes) -> None:
        """Queue one record."""
        if len(self._queue) >= QUEUED:
            self._lost(1)
            return
        self._queue.append(record)
        self._filled.set()

    async def keep(self) -> None:
        """For ever: send."""
        while True:
            await self._filled.wait()
            if len(self._queue) < BATCH:
                await asyncio.sleep(WAIT_SECONDS)
            batch = self._batch()
            if not self._queue:
                self._filled.clear()
            await self._send(batch)

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        return batch

    async def _send(self, batch: list[bytes]) -> None:
        body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%b]}' % b",".join(batch)
        for attempt in range(RETRIES + 1):
            try:
                await self._client.post(self._target, body, TIMEOUT_SECONDS)
            except CallFailed as error:
                logger.warning("the audit webhook did not take %d records: %s", len(batch), error)
            else:
                return
            if attempt < RETRIES:
                await asyncio.sleep(RETRY_SECONDS)
        self._lost(len(batch))
