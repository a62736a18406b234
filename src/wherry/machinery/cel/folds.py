"""Folds at run time: the loops that macros stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.frame import Failed, Frame, Pending, Run
from wherry.machinery.cel.library.lists import insert_into
from wherry.machinery.cel.operators import type_of

_GO_NAMES = {
    "null": "Null", "bool": "Bool", "int": "Int", "uint": "Uint", "double": "Double", "string": "String",
    "bytes": "Bytes", "timestamp": "Timestamp", "duration": "Duration",
}  # fmt: skip


class Slots(NamedTuple):
    """Where a fold keeps its variables in the frame; `second` is -1 when there is one variable."""

    accu: int
    var: int
    second: int


class Parts(NamedTuple):
    """The compiled parts. `condition` None: always true."""

    over: Run
    init: Run
    condition: Run | None
    step: Run
    result: Run


def fold(slots: Slots, parts: Parts) -> Run:
    """The loop."""
    over, init, condition, step, result = parts

    def run(frame: Frame) -> Any:
        local = frame.locals
        items = _items(over(frame), slots.second >= 0)
        saved = local[slots.accu]
        accu = init(frame)
        for item in items:
            local[slots.accu] = accu
            if condition is not None and not condition(frame):
                break
            _assign(local, slots, item)
            try:
                accu = step(frame)
            except EvaluationError as error:
                accu = Failed(error)
                if condition is None:
                    break
            if frame.cost > frame.limit:
                frame.check()
        local[slots.accu] = accu
        value = result(frame)
        local[slots.accu] = saved
        return value

    return run


def _assign(local: list[Any], slots: Slots, item: Any) -> None:
    if slots.second >= 0:
        local[slots.var], local[slots.second] = item
    else:
        local[slots.var] = item


def _items(value: Any, pairs: bool) -> Iterable[Any]:  # noqa: FBT001
    if isinstance(value, (list, tuple)):
        return enumerate(value) if pairs else value
    if isinstance(value, Mapping):
        return value.items() if pairs else value
    kind = type_of(value).kind
    raise EvaluationError(f"got 'types.{_GO_NAMES.get(kind, kind)}', expected iterable type")


def binding(slot: int, make: Run, result: Run) -> Run:
    """A name for a value that is worked out when it is first needed."""

    def run(frame: Frame) -> Any:
        saved = frame.locals[slot]
        frame.locals[slot] = Pending(make)
        value = result(frame)
        frame.locals[slot] = saved
        return value

    return run


def local(slot: int, charge: int) -> Run:
    """Reading a local variable."""

    def run(frame: Frame) -> Any:
        frame.cost += charge
        value = frame.locals[slot]
        if value.__class__ is Failed:
            raise value.error
        if value.__class__ is Pending:
            value = frame.locals[slot] = value.make(frame)
        return value

    return run


def appending(slot: int, item: Run) -> Run:
    """accu + [item]: in place, as nobody else holds the list yet."""
    price = costs.MAKE_LIST + 2

    def run(frame: Frame) -> Any:
        accu = frame.locals[slot]
        if accu.__class__ is Failed:
            raise accu.error
        value = item(frame)
        frame.cost += price
        accu.append(value)
        return accu

    return run


def inserting(slot: int, parts: tuple[Run, ...]) -> Run:
    """cel.@mapInsert(accu, key, value), or (accu, map): in place."""

    def run(frame: Frame) -> Any:
        accu = frame.locals[slot]
        if accu.__class__ is Failed:
            raise accu.error
        values = [part(frame) for part in parts]
        frame.cost += 2
        return insert_into(accu, *values)

    return run


def not_strictly_false(value: Run) -> Run:
    """True unless the value is false: errors go on."""

    def run(frame: Frame) -> bool:
        try:
            found = value(frame)
        except EvaluationError:
            found = True
        frame.cost += 1
        return found is not False

    return run
