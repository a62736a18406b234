"""Fence: keeps the agent's promise that its stateful pods do not outlive its contact with the API.

Decisions are in `promises.py` and `api/core/fencing.py`; this acts. Registration asks `promise` before each renewal and
says `answered` after it. Workers ask `verdict` before each step. Where the time is up, pods end as Failed, reason
Fenced, and never run again: their controllers make others.

Writes: `<run>/fence.json`, what the watchdog (app/watchdog.py) has to kill and when; `<root>/promised.json`, who the
witnesses are, which outlives the boot: an agent that starts on a rebooted machine without an API must not begin its
stateful pods from memory while a server may have replaced them. Both are there before a server can see the promise.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from wherry.api.core import fencing
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod_volume_claims import claims_of, is_shared
from wherry.api.types.core import Node, Pod
from wherry.client.interface import Client
from wherry.host import boot, files
from wherry.machinery import conditions
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key
from wherry.node import groups
from wherry.node.config import AgentConfig
from wherry.node.peers import Asks, Place, nobody
from wherry.node.promises import Standing

log = logging.getLogger(__name__)

TICK = 1.0
ASK_EVERY = 3.0
SETTLE = 3.0
"""Seconds after the first answer before a pod that a server may just be replacing is begun: by then we have heard."""
BEAT_AGE = 5.0
"""A watchdog that has given no sign for so many seconds is not relied on."""
REASON = "Fenced"
MESSAGE = "The node was cut off from the API for so long that the pod may have been replaced."


class Verdict(Enum):
    """What a worker may do."""

    GO = "go on"
    HOLD = "begin nothing yet"
    END = "end the pod"


class Fence:
    """See the module. `nodes`: all nodes as last heard of; `watchdog`: the file by which it says that it is alive, None
    where there is none, and so no promise."""

    def __init__(
        self, config: AgentConfig, client: Client, elapsed: Callable[[], float] = boot.elapsed, *,
        nodes: Callable[[], Iterable[Node]] = tuple, ask: Asks = nobody, watchdog: Path | None = None,
    ) -> None:  # fmt: skip
        self._config, self._client, self._elapsed = config, client, elapsed
        self._nodes, self._ask, self._watchdog = nodes, ask, watchdog
        self.ran: Callable[[str], bool] = lambda _: False
        """Whether a pod has had containers here, by uid."""
        self.wake: Callable[[str], None] = lambda _: None
        self.changed: Callable[[], None] = lambda: None
        """Called when the next promise would name others than the last: the nodes that are Ready are not the same."""
        self._file, self._kept = config.run / "fence.json", config.root / "promised.json"
        self._boot = boot.boot_id()
        self._standing = Standing(elapsed())
        self._pods: dict[str, str] = {}
        self._ended: set[str] = set()
        self._told: set[str] = set()
        """Pods that the API, not only our memory, has told us of."""
        self._settled = float("-inf")
        self._spared = False
        """The time was last put off by the witnesses."""
        self._unwritten = False
        self._shared: dict[tuple[str, str], bool] = {}
        self._places: dict[str, Place] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._asked = float("-inf")
        self._named: tuple[str, ...] = ()
        """Whom the last renewal named."""
        self._load()

    # --- what registration says

    def promise(self) -> fencing.Promise | None:
        """What the next renewal promises."""
        found = self._witnesses()
        self._named = names = self._choose(found)
        if not names:
            return None
        before = self._standing
        self._places |= {name: found[name][1] for name in names}
        self._standing = before.sending(names, self._elapsed())
        if self._standing != before or self._unwritten:
            self._keep()
        return None if self._unwritten else fencing.Promise(fencing.SECONDS, names)

    def _choose(self, found: Mapping[str, tuple[str, Place]]) -> tuple[str, ...]:
        """Whom to name; () for no promise."""
        names = fencing.choose_witnesses((created, name) for name, (created, _) in found.items())
        return names if names != (self._config.name,) else ()

    def answered(self, promise: fencing.Promise | None, sent: float) -> None:
        """The renewal that was sent then has been answered. A promise that had lapsed is kept first."""
        self.look()
        before, now = self._standing, self._elapsed()
        if before.lapsed(now):
            self._settled = now + SETTLE
        self._spared = False
        self._standing = before.answer(promise.witnesses if promise is not None else (), sent)
        if self._standing.sets != before.sets:
            self._keep()
        elif self._standing.sets:
            self._write()

    def now(self) -> float:
        """Seconds of the clock that promises are made with."""
        return self._elapsed()

    def away(self) -> bool:
        """Whether this node has no API: what other nodes ask."""
        return self._standing.away(self._elapsed())

    def _watched(self) -> bool:
        try:
            beat = float(self._watchdog.read_text()) if self._watchdog is not None else float("-inf")
        except (OSError, ValueError):
            return False
        return self._elapsed() - beat < BEAT_AGE

    def _witnesses(self) -> dict[str, tuple[str, Place]]:
        """Nodes that can be witnesses: when they were made and where they are. None without a watchdog."""
        found: dict[str, tuple[str, Place]] = {}
        if not self._watched():
            return found
        for node in self._nodes():
            address = next((one.address for one in node.status.addresses if one.type == "InternalIP"), "")
            endpoint = node.status.daemon_endpoints.kubelet_endpoint
            if address and endpoint.port and conditions.is_true(node.status.conditions, "Ready"):
                place = (address, endpoint.port)
                found[node.metadata.name] = (node.metadata.creation_timestamp or "", place)
        return found

    # --- what the agent and its workers say

    def take(self, pod: Pod, *, remembered: bool = False) -> None:
        """A pod is here, or has changed. `remembered`: only our own memory says so."""
        uid = pod.metadata.uid
        if not remembered:
            self._told.add(uid)
        if not fencing.needs_fence(pod, lambda name: self._shared.get((pod.metadata.namespace, name), False)):
            self._release(uid)
        elif uid not in self._pods:
            self._pods[uid] = groups.of_pod(self._config, pod)
            if self._standing.sets:
                self._write()
            self._look_up(pod)

    def leave(self, uid: str) -> None:
        """A pod is gone."""
        self._told.discard(uid)
        self._release(uid)

    def _release(self, uid: str) -> None:
        self._ended.discard(uid)
        if self._pods.pop(uid, None) is not None and self._standing.sets:
            self._write()

    def verdict(self, pod: Pod) -> Verdict:
        """What may be done for a pod now."""
        uid = pod.metadata.uid
        if uid not in self._pods or not self._standing.sets:
            return Verdict.GO
        self.look()
        if uid in self._ended:
            return Verdict.END
        return Verdict.GO if self._runs(uid) or self._may_begin(uid) else Verdict.HOLD

    def _may_begin(self, uid: str) -> bool:
        now = self._elapsed()
        if self._unwritten or self._standing.lapsed(now):
            return False
        return self._spared or (uid in self._told and now >= self._settled)

    def look(self) -> None:
        """If the time is up, end every stateful pod that runs."""
        if not self._standing.lapsed(self._elapsed()):
            return
        ending = {uid for uid in self._pods if self._runs(uid)} - self._ended
        if ending:
            log.warning("no API for too long: %d stateful pods end", len(ending))
            self._ended |= ending
            self._write()
            for uid in ending:
                self.wake(uid)

    def _runs(self, uid: str) -> bool:
        """Whether it has been begun in this boot. What an earlier boot has begun is dead, and may be begun again once
        it is known that nobody has replaced it."""
        return self._standing.base > float("-inf") and self.ran(uid)

    def _look_up(self, pod: Pod) -> None:
        """Find out whether its claims are for several nodes; until then they count as if they were not."""
        unknown = [name for name in claims_of(pod) if (pod.metadata.namespace, name) not in self._shared]
        if unknown:
            task = asyncio.get_running_loop().create_task(self._learn(pod, unknown))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _learn(self, pod: Pod, claims: list[str]) -> None:
        for name in claims:
            try:
                claim = await self._client.get(PERSISTENTVOLUMECLAIM, Key(pod.metadata.namespace, name))
            except (APIError, OSError, TimeoutError):
                return
            self._shared[pod.metadata.namespace, name] = is_shared(claim.spec.access_modes)
        if pod.metadata.uid in self._pods:
            self.take(pod, remembered=pod.metadata.uid not in self._told)

    # --- time

    async def run(self) -> None:
        """Watch the time, and ask the witnesses while there is no answer; for ever."""
        while True:
            self.look()
            now = self._elapsed()
            if self._standing.asks(now) and now - self._asked >= ASK_EVERY:
                self._asked = now
                await self._ask_witnesses()
            if self._choose(self._witnesses()) != self._named:
                self.changed()
            await asyncio.sleep(TICK)

    async def _ask_witnesses(self) -> None:
        began, own = self._elapsed(), self._config.name
        names = {name for each in self._standing.sets for name in each} - {own}
        away = await self._ask({name: self._places[name] for name in sorted(names) if name in self._places})
        before = self._standing
        self.look()  # what comes too late does not count
        self._standing = before.heard({*away, own}, began)
        if self._standing != before:
            self._spared = True
            log.info("no API, but neither have %s: stateful pods go on", ", ".join(sorted(away)) or "others")
            self._write()

    # --- files

    def _write(self) -> None:
        base = self._standing.base
        body = {
            "boot": self._boot,
            "deadline": self._standing.deadline if base > float("-inf") else None,
            "answered": self._standing.answered,
            "pods": self._pods,
            "ended": sorted(self._ended),
        }
        partial = self._file.with_name(f".{self._file.name}.new")
        try:
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(body))
            partial.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written, no stateful pod begins: %s", self._file, error)
            self._unwritten = True
        else:
            self._unwritten = False

    def _keep(self) -> None:
        """Both files, the one that outlives the boot first."""
        body = {"sets": self._standing.sets, "places": self._places}
        try:
            files.write_if_changed(self._kept, json.dumps(body))
        except OSError as error:
            log.warning("%s cannot be written, no stateful pod begins: %s", self._kept, error)
            self._unwritten = True
        else:
            self._write()

    def _load(self) -> None:
        """What an agent before us has promised. After a reboot nothing may run until the API, or the witnesses, allow
        it; in the same boot, its time goes on. What had to end meanwhile has been ended by the watchdog."""
        kept = _read(self._kept)
        sets = tuple(tuple(str(name) for name in each) for each in kept.get("sets", ()))
        self._places = {str(name): (str(at[0]), int(at[1])) for name, at in kept.get("places", {}).items()}
        written = _read(self._file)
        if written.get("boot") != self._boot:
            self._standing = Standing(self._elapsed(), sets)
            return
        deadline = written.get("deadline")
        base = float("-inf") if deadline is None else float(deadline) - fencing.SECONDS
        self._standing = Standing(float(written["answered"]), sets, base)
        self._pods = {str(uid): str(group) for uid, group in written["pods"].items()}
        self._ended = set(written["ended"])
        if self._standing.lapsed(self._elapsed()) and deadline is not None:
            self._ended |= set(self._pods)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
