"""Sealing: which values are encrypted at rest, under which keys, and how keys change.

What `encrypt` in the configuration names (Secrets, unless told otherwise) is sealed on its way to the disk with the
newest key in `seal.key`. Rotation is one step for people: `wherry encryption rotate` puts a new key first; the server
sees that, writes every sealed value again, forgets the history that still holds old ones, and only then drops the old
keys from the file. Dying anywhere in between, it does that again at its next start. A value whose key is lost becomes
UNREADABLE, so that one of them does not keep the server from starting.
https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag

from wherry.app.config import Config, ConfigError
from wherry.host import files
from wherry.host.sealer import Sealer, ensure_seal_key
from wherry.store.log import UNREADABLE, Changed, InUse, Log
from wherry.store.sqlite import SqliteLog

logger = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between looks at the file of keys."""
ROTATION_SECONDS = 120.0
ROOT = "/registry/"


def prefixes(names: tuple[str, ...]) -> tuple[str, ...]:
    """`secrets`, `deployments.apps`, `*` -> where their values lie in the store. Raises ConfigError."""
    found = []
    for name in names:
        plural, _, group = name.partition(".")
        if name == "*":
            found.append(ROOT)
        elif plural and "/" not in name:
            found.append(f"{ROOT}{group or 'core'}/{plural}/")
        else:
            raise ConfigError(f"encrypt: {name!r} is no resource; write secrets, or deployments.apps, or *")
    return tuple(found)


class Sealing:
    """Seals and opens values; follows the file of keys."""

    def __init__(self, keys: Path, names: tuple[str, ...]) -> None:
        self._keys = keys
        self._prefixes = prefixes(names)
        self._sealer = Sealer(keys)
        self._read = keys.read_text()

    def seal(self, key: str, value: bytes) -> bytes:
        """A value on its way to the disk."""
        return self._sealer.seal(key, value) if key.startswith(self._prefixes) else value

    def unseal(self, key: str, value: bytes) -> bytes:
        """A value on its way back; UNREADABLE when its key is lost or it was tampered with."""
        try:
            return self._sealer.unseal(key, value)
        except (InvalidTag, KeyError, ValueError):
            logger.exception("%s cannot be decrypted", key)
            return UNREADABLE

    async def keep(self, log: Log) -> None:
        """For ever: take up new keys, and drop old ones when nothing is sealed with them any more."""
        while True:
            await self.follow(log)
            await asyncio.sleep(EVERY)

    async def follow(self, log: Log) -> None:
        """One look at the file of keys, and what follows from it."""
        text = await asyncio.to_thread(self._keys.read_text)
        if text != self._read:
            self._sealer = Sealer(self._keys)
            self._read = text
        lines = text.split()
        if len(lines) < 2:
            return
        count = await reseal(log, self._prefixes)
        await asyncio.to_thread(files.write, self._keys, lines[0] + "\n")
        self._sealer = Sealer(self._keys)
        self._read = lines[0] + "\n"
        logger.info("%d values are sealed with a new key; %d old keys are gone", count, len(lines) - 1)


async def reseal(log: Log, under: tuple[str, ...]) -> int:
    """Write every value under these prefixes again, and forget what was before; how many. Raises Unavailable."""
    count = 0
    for prefix in under:
        _, records = await log.list(prefix)
        for record in records:
            if record.value == UNREADABLE:
                continue
            try:
                await log.append(record.key, record.value, record.revision)
            except Changed:
                logger.debug("%s was written meanwhile, with the new key", record.key)
            count += 1
    await log.compact(log.revision)
    return count


def rotate(config: Config) -> None:
    """Put a new key first and wait until the old ones are gone. Raises ConfigError when that does not happen."""
    keys = config.pki / "seal.key"
    if not ensure_seal_key(keys):
        files.write(keys, f"{os.urandom(32).hex()}\n{keys.read_text()}")
    if asyncio.run(_without_server(config)):
        return
    for _ in range(int(ROTATION_SECONDS / EVERY)):
        if len(keys.read_text().split()) == 1:
            return
        time.sleep(EVERY)  # noqa: TID251 - a command that waits
    raise ConfigError("the server has not taken up the new key; see its log. The old key is still there")


async def _without_server(config: Config) -> bool:
    """Do it here if no server has the store open."""
    sealing = Sealing(config.pki / "seal.key", config.encrypt)
    try:
        log = await SqliteLog.open(config.database, seal=sealing.seal, unseal=sealing.unseal)
    except InUse:
        return False
    try:
        await sealing.follow(log)
    finally:
        await log.close()
    return True
