"""`wherry upgrade`: have this version of wherry take over a running cluster, in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wherry.aio.clock import SystemClock
from wherry.app.config import Config
from wherry.app.steps import Steps
from wherry.cli.options import existing, need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step, table

if TYPE_CHECKING:
    from wherry.app.upgrade.plan import Plan


@click.command()
@root_option
@click.option("--check", "--dry-run", "check", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Also where the API or a node is not well to begin with.")
@output_option
def command(root: Path, check: bool, force: bool, output: str) -> None:
    """Replace the running version with this one, process by process; no container is restarted.

    Goes one minor version up or down. Run it with the version that is to take over, on the server's machine first. Run
    again, it finishes what was interrupted, or changes nothing.
    """
    from wherry.app.upgrade import run

    need_root()
    config = existing(root)
    clock = SystemClock()
    steps = Steps(clock, show_step if output == "text" else no_step)
    if check:
        found, made = run.check(config, clock, steps, force=force)
        _show_plan(made, run.before(found), output)
        return
    _upgrade(config, clock, steps, force=force, output=output)


def _upgrade(config: Config, clock: SystemClock, steps: Steps, *, force: bool, output: str) -> None:
    from wherry.app.upgrade import run

    begun = clock.monotonic()
    outcome = run.upgrade(config, clock, steps, force=force)
    seconds = clock.monotonic() - begun
    if output != "text":
        answer = {
            "changed": outcome.changed,
            "from": outcome.before,
            "to": outcome.after,
            "seconds": round(seconds, 3),
            "apiAwaySeconds": round(outcome.away, 3),
            "copy": None if outcome.copy is None else str(outcome.copy),
            "restarted": outcome.restarted,
            **outcome.plan.as_dict(),
            "steps": [step.as_dict() for step in steps.taken],
        }
        data(answer, output)
        return
    if not outcome.changed:
        click.echo(f"Everything on this machine runs wherry {outcome.after} already, nothing changed.")
        return
    away = f", API away for {outcome.away:.1f} s" if outcome.away else ""
    click.echo(f"This machine runs wherry {outcome.after} now ({seconds:.1f} s{away}).")


def _show_plan(plan: Plan, before: str, output: str) -> None:
    if output != "text":
        data({"from": before, **plan.as_dict()}, output)
        return
    if plan.empty:
        click.echo("Everything on this machine runs this version already; nothing would change.")
        return
    rows = [("supervisor", "", "", plan.program[0])] if plan.program else []
    rows += [(move.name, move.was, move.after.release, move.after.argv[0]) for move in plan.moves]
    table(("PROCESS", "FROM", "TO", "PROGRAM"), rows)
