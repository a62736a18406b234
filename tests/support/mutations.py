"""Mutations: an object that is nearly right. Deterministic by its `Random`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

WEIRD: tuple[Any, ...] = (
    None, "", " ", "\x00", "a" * 300, "-1", "0x10", "1e400", "../..", "{{.}}", "%s", "\u202e\U0001f600", "A_b", "::",
    "/",
    "1/0", "2147483648", "99999999999999999999", "9999999999999999999E", "-5m", "1.5Gi", "2026-02-30T25:61:61Z",
    "10.0.0.0/99", "::ffff:1.2.3.4", "-----BEGIN CERTIFICATE-----", "self.", "a in (", "'", "\\", "*",
    0, 1, -1, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, -(2**63), 1.5, -0.0, 1e300, True, False,
    [], {}, [None], [[]], [{}], {"": ""}, {"a": None}, {"-": 1}, [""], [0], {"a": {"a": {"a": []}}},
)  # fmt: skip


def mutated(random: Random, obj: Any) -> Any:
    """A copy with one to three places changed, most of them deep inside."""
    found = copy.deepcopy(obj)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(found))
        if places:
            _change(random, *random.choice(places))
    return found


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key or index) of everything inside."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _change(random: Random, holder: Any, key: Any) -> None:
    value = holder[key]
    how = random.randrange(8)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(value, list):
        holder[key] = value * random.choice((2, 50))
    elif how == 1 and isinstance(value, str):
        holder[key] = value + random.choice(("", ".", "-", "/", ":", "\n", "x" * 260)) + value
    elif how == 2 and isinstance(holder, dict):
        holder[random.choice((f"{key}x", key.upper(), f"{key} ", ""))] = copy.deepcopy(value)
    elif how == 3 and isinstance(value, (int, str)) and not isinstance(value, bool):
        holder[key] = str(value) if isinstance(value, int) else len(value)
    elif how == 4:
        holder[key] = [copy.deepcopy(value)]
    elif how == 5:
        holder[key] = {"key": copy.deepcopy(value)}
    else:
        holder[key] = copy.deepcopy(random.choice(WEIRD))
