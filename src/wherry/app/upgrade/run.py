"""`wherry upgrade`: this version takes over a running cluster, one process at a time, and no container notices.

Run from the new version's own environment (or from the same one, upgraded by pip), on each machine, the server's
first. In this order: what is there (`look.py`), whether and how (`plan.py`), whether all is well, this version's
programs loaded once, keys, then the supervisor, the server (which copies the store before it opens it), the agents one
by one, each until its node and its pods are Ready. What fails is taken back, in reverse. Killed at any moment, it is
finished by running it again, or taken back by running the other version's: what is left to do is seen from what runs.
Going to the version before is the same with the agents first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.app import config as configuration
from wherry.app import keeper, store_copies, up, version
from wherry.app.config import Config
from wherry.app.keeper import Keeper, KeeperError
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.app.steps import Failed, Step, Steps
from wherry.app.supervise import Unit
from wherry.app.upgrade import journal as journals
from wherry.app.upgrade import plan as plans
from wherry.app.upgrade import pods
from wherry.app.upgrade.gap import Gap
from wherry.app.upgrade.journal import Journal
from wherry.app.upgrade.look import look
from wherry.app.upgrade.plan import Found, Move, Plan

PODS_SECONDS = 60.0
STEADY = 2.0
"""Seconds that a node's pods are seen to be Ready under its new agent before the next node's turn."""
LOAD_SECONDS = 180.0
CRASHES = 3
"""How often a new process may end before it is given up."""
PROGRAMS = (
    "wherry.app.supervise", "wherry.app.watchdog", "wherry.app.server", "wherry.app.agent", "wherry.cli.server",
    "wherry.cli.agent", "wherry.controllers.registry", "wherry.scheduler.loop",
)  # fmt: skip
_TROUBLE = (Failed, KeeperError, ApiRefused, ApiUnreachable, OSError)


@dataclass(slots=True)
class Outcome:
    """What was done. `away`: seconds without an API; `copy`: of the store, as the version before left it."""

    plan: Plan
    before: str
    after: str
    changed: bool = False
    away: float = 0.0
    copy: Path | None = None
    restarted: list[str] = field(default_factory=list)
    """Pods with a container that was restarted meanwhile, for whatever reason."""


def check(config: Config, clock: Clock, steps: Steps, *, force: bool) -> tuple[Found, Plan]:
    """What an upgrade would do. Raises Failed when it would not be begun."""
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    with steps.step("look at what runs") as step:
        found = look(config, keep)
        made = plans.plan(found)
        step.detail, step.changed = f"{before(found)} -> {version.wherry()}", False
    if not made.empty:
        with steps.step("check that all is well") as step:
            step.changed = False
            step.detail = _check_health(config, clock, force=force)
    return found, made


def upgrade(config: Config, clock: Clock, steps: Steps, *, force: bool) -> Outcome:
    """Have this version take over. Raises Failed: then everything is as it was, or the text says what is not."""
    with _alone(config):
        return _upgrade(config, clock, steps, force=force)


@contextlib.contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Only one upgrade at a time; one that is killed is in nobody's way. Raises Failed."""
    lock = os.open(config.state / "upgrade.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Failed("another `wherry upgrade` is under way", "wait for its end") from None
    finally:
        os.close(lock)


def _upgrade(config: Config, clock: Clock, steps: Steps, *, force: bool) -> Outcome:
    found, made = check(config, clock, steps, force=force)
    outcome = Outcome(made, before(found), version.wherry())
    if made.empty:
        journals.end(config)
        return outcome
    with steps.step("load this version's programs"):
        load_programs()
    if not config.join:
        with steps.step("make keys") as step:
            step.changed = up.make_keys(config, clock)
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    journal = journals.begin(config, found.kept, found.program)
    try:
        _replace(config, clock, steps, keep, outcome)
    except _TROUBLE as error:
        _go_back(config, clock, steps, keep, journal, error)
    with steps.step("note the version") as step:
        step.changed = configuration.save(config)
        journals.end(config)
    outcome.changed = True
    return outcome


def load_programs() -> None:
    """Load once what is going to run: what cannot be loaded must not take anything's place, and loading is faster the
    second time. Raises Failed."""
    code = f"import {', '.join(PROGRAMS)}"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], check=False, capture_output=True, text=True, timeout=LOAD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"this version's programs do not load within {LOAD_SECONDS:.0f} s", "try again") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Failed(f"this version's programs cannot be loaded: {said}", "install it again")


def before(found: Found) -> str:
    """The versions that run, in words."""
    releases = {found.kept[name].release for name in found.running} - {version.wherry()}
    return ", ".join(sorted(releases)) or version.wherry()


def _check_health(config: Config, clock: Clock, *, force: bool) -> str:
    if force:
        return "left out, as asked"
    if journals.read(config) is not None:
        return "left out: an upgrade was begun before"
    try:
        up.wait_for_server(config, clock)
        return f"Ready: {', '.join(up.wait_for_nodes(config, clock, {}))}"
    except (Failed, ApiRefused, ApiUnreachable) as error:
        cause = error.cause if isinstance(error, Failed) else str(error)
        raise Failed(cause, "mend that first (`wherry status`), or give --force") from error


def _replace(config: Config, clock: Clock, steps: Steps, keep: Keeper, outcome: Outcome) -> None:
    """Everything that changes what runs."""
    made = outcome.plan
    if made.program:
        with steps.step("hand over the supervisor") as step:
            keep.renew(made.program)
            step.detail = made.program[0]
    for move in made.moves:
        if move.name == "server":
            with steps.step("replace the server") as step:
                _replace_server(config, clock, keep, move, outcome, step)
        elif not move.name.startswith(up.agent_unit("")):
            with steps.step(f"replace {move.name}") as step:
                keep.put(move.after)
                step.detail = f"{move.was} -> {move.after.release}"
        else:
            with steps.step(f"replace {move.name}") as step:
                _replace_agent(config, clock, keep, move, outcome, step)


def _replace_server(config: Config, clock: Clock, keep: Keeper, move: Move, outcome: Outcome, step: Step) -> None:
    left_by = store_copies.opened_by(config)
    with Gap(config, clock) as gap:
        keep.put(move.after)
        up.wait_for_server(config, clock, _crashes(keep, move.after))
    outcome.away = gap.seconds
    outcome.copy = store_copies.copy_of(config, left_by) if left_by != version.wherry() else None
    kept = f", copy of the store: {outcome.copy}" if outcome.copy is not None else ""
    step.detail = f"{move.was} -> {move.after.release}, API away for {outcome.away:.1f} s{kept}"


def _replace_agent(config: Config, clock: Clock, keep: Keeper, move: Move, outcome: Outcome, step: Step) -> None:
    node = move.name.removeprefix(up.agent_unit(""))
    rest = Rest(config)
    held = pods.held(_pods(rest, node), node)
    keep.put(move.after)
    begun = clock.now()
    up.wait_for_nodes(config, clock, {node: begun}, node, _crashes(keep, move.after))
    _until_reported(rest, node, clock)
    _until_steady(rest, node, clock, held)
    restarted = pods.restarted(held, _pods(rest, node))
    outcome.restarted += restarted
    extra = f", containers restarted in {', '.join(restarted)}" if restarted else ""
    step.detail = f"{move.was} -> {move.after.release}, pods Ready: {len(held)}{extra}"


def _crashes(keep: Keeper, unit: Unit) -> Callable[[], None]:
    """Raises Failed, when called again and again, once a unit has ended too often."""
    seen: set[int | None] = set()

    def look_at_it() -> None:
        seen.add(keep.pid(unit.name))
        if len(seen - {None}) > CRASHES:
            raise Failed(f"{unit.name} ends again and again; it last said: {up.last_words(Path(unit.log))}")

    return look_at_it


def _until_reported(rest: Rest, node: str, clock: Clock) -> None:
    """Until the node says that it is of this version. Raises Failed."""
    until = clock.monotonic() + PODS_SECONDS
    while (says := rest.get(f"/api/v1/nodes/{node}")["status"]["nodeInfo"]["kubeletVersion"]) != version.reported():
        if clock.monotonic() > until:
            raise Failed(f"node {node} says that it is {says}, not {version.reported()}", "see `wherry logs agent`")
        up.pause(up.POLL)


def _until_steady(rest: Rest, node: str, clock: Clock, held: dict[str, pods.Held]) -> None:
    """Until the pods that were Ready have been Ready for a while. Raises Failed."""
    until = clock.monotonic() + PODS_SECONDS
    since = clock.monotonic()
    while clock.monotonic() - since < STEADY:
        if unready := pods.unready(held, _pods(rest, node)):
            since = clock.monotonic()
            if since > until:
                raise Failed(
                    f"pods of node {node} are not Ready under its new agent: {', '.join(unready)}",
                    "see `wherry status` and `wherry logs agent`",
                )
        up.pause(up.POLL * 4)


def _pods(rest: Rest, node: str) -> list[dict[str, object]]:
    return rest.items(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")


def _go_back(config: Config, clock: Clock, steps: Steps, keep: Keeper, journal: Journal, error: Exception) -> None:
    """Have everything run again as it did before. Raises Failed, always."""
    cause = error.cause if isinstance(error, Failed) else str(error)
    named = f"wherry {', '.join(sorted({unit.release for unit in journal.units.values()}))}"
    if all(unit.argv[0] == sys.executable for unit in journal.units.values()):
        raise Failed(
            cause, f"{named} was in this same environment and is gone: install it again there and run its upgrade"
        ) from error
    try:
        with steps.step(f"go back to {named}"):
            put_back(config, clock, keep, journal)
    except _TROUBLE as worse:
        raise Failed(f"{cause}, and going back to {named} failed: {worse}", "see `wherry status`") from error
    journals.end(config)
    raise Failed(cause, f"everything runs {named} again; see `wherry logs server` and `wherry logs agent`") from error


def put_back(config: Config, clock: Clock, keep: Keeper, journal: Journal) -> None:
    """The supervisor and every unit as in the journal; agents last, as they must not be newer than the server, or
    first when the version before is the newer one. Raises Failed, KeeperError."""
    if journal.program:
        keep.renew(journal.program)
    sign = 1 if any(version.newer(unit.release, version.wherry()) for unit in journal.units.values()) else -1
    for unit in sorted(journal.units.values(), key=lambda unit: (sign * unit.order, unit.name)):
        if not keeper.runs(keep, unit):
            keep.put(unit)
            begun = clock.now()
            if unit.name == "server":
                up.wait_for_server(config, clock)
            elif unit.name.startswith(up.agent_unit("")):
                node = unit.name.removeprefix(up.agent_unit(""))
                up.wait_for_nodes(config, clock, {node: begun}, node)
