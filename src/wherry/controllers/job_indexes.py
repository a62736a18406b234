"""Sets of completion indexes as Jobs write them: "0-3,5,7-8".

https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.types.core import Pod

INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str | None, completions: int) -> frozenset[int]:
    """The indexes below `completions`; nonsense is left out."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash):
            found.update(range(int(first), min(int(last) if dash else int(first), completions - 1) + 1))
    return frozenset(found)


def show(indexes: Iterable[int]) -> str:
    """Runs of two are written with a comma, longer ones with a dash."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), -1]:
        if run and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            parts.append(_run(run))
        run = [index]
    return ",".join(parts)


def _run(run: list[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]},{run[-1]}" if len(run) == 2 else f"{run[0]}-{run[-1]}"


def index_of(pod: Pod) -> int | None:
    """Which index a pod works on."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() else None
