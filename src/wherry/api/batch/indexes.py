"""Completion indexes of Jobs, written compactly: `1,3-5,7`."""

from __future__ import annotations

from collections.abc import Iterable


def parse_indexes(text: str | None, completions: int) -> set[int]:
    """The indexes below `completions` in a text. Raises ValueError where it is malformed or not ascending."""
    found: set[int] = set()
    last = -1
    for part in (text or "").split(",") if text else ():
        first_text, dash, second_text = part.partition("-")
        first = _index(first_text, part, completions)
        second = _index(second_text, part, completions) if dash else first
        if dash and second <= first:
            raise ValueError(f"non-increasing order, previous: {first}, current: {second}")
        if first <= last:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last = second
        found.update(range(first, second + 1))
    return found


def _index(text: str, part: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ValueError(f'cannot convert string to integer for index: "{text}"' if text else why)
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"' if part == text else f'too large index: "{part}"')
    return int(text)


def format_indexes(indexes: Iterable[int]) -> str:
    """Indexes as text: runs of three and more as ranges, pairs as ranges too."""
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
