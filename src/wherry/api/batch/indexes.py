"""Completion indexes of Jobs, written compactly: `1,3-5,7`."""

from __future__ import annotations

from collections.abc import Iterable


def parse_indexes(text: str | None, completions: int) -> set[int]:
    """The indexes below `completions` in a text. Raises ValueError where it is malformed or not ascending."""
    found: set[int] = set()
    last = -1
    for part in text.split(",") if text else ():
        limits = part.split("-")
        if len(limits) > 2:
            raise ValueError(
                f'the fragment "{part}" violates the requirement that an index interval can have at most two parts '
                "separated by '-'"
            )
        ends = [_index(limit, completions) for limit in limits]
        if len(ends) == 2 and ends[0] >= ends[1]:
            raise ValueError(f"non-increasing order, previous: {ends[0]}, current: {ends[1]}")
        if ends[0] <= last:
            raise ValueError(f"non-increasing order, previous: {last}, current: {ends[0]}")
        last = ends[-1]
        found.update(range(ends[0], last + 1))
    return found


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)


def format_indexes(indexes: Iterable[int]) -> str:
    """Indexes as text, sorted: runs of three and more as ranges."""
    parts: list[str] = []
    ordered = sorted(set(indexes))
    position = 0
    while position < len(ordered):
        end = position
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        first, last = ordered[position], ordered[end]
        if last - first == 1:
            parts += [str(first), str(last)]
        else:
            parts.append(str(first) if first == last else f"{first}-{last}")
        position = end + 1
    return ",".join(parts)
