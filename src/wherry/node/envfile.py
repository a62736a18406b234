"""Variables from a file in a volume (`fileKeyRef`): NAME='value' lines, strictly. Pure.

A value stands in single quotes, taken literally, over several lines if need be; comments and blank lines are skipped.
https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
"""

from __future__ import annotations

from collections.abc import Iterator


class BadEnvFile(ValueError):
    """The file is not of that form; the text names the line."""


def parse(text: str) -> dict[str, str]:
    """All variables of a file; of one that is there twice the first counts. Raises BadEnvFile."""
    found: dict[str, str] = {}
    lines = enumerate(text.split("\n"), 1)
    for number, raw in lines:
        line = raw.rstrip("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, value = _variable(line, number, lines)
        found.setdefault(name, value)
    return found


def _variable(line: str, number: int, more: Iterator[tuple[int, str]]) -> tuple[str, str]:
    name, equals, rest = line.partition("=")
    where = f"invalid environment variable format at line {number}"
    if not equals:
        raise BadEnvFile(f"{where}: missing '='")
    if not name.strip(" \t"):
        raise BadEnvFile(f"{where}: empty variable name")
    if name != name.rstrip(" \t"):
        raise BadEnvFile(f"{where}: whitespace before '=' is not allowed")
    if rest != rest.lstrip(" \t"):
        return name, ""  # as a shell reads it: an empty value, then something else
    if not rest.startswith("'"):
        raise BadEnvFile(f"{where}: value must be enclosed in single quotes")
    value, begun = rest[1:], number
    while "'" not in value:
        try:
            number, line = next(more)
        except StopIteration:
            text = f"invalid environment variable format starting at line {begun}: unclosed single quote"
            raise BadEnvFile(text) from None
        value += f"\n{line}"
    value, _, after = value.partition("'")
    after = after.lstrip(" \t")
    if after and not after.startswith("#"):
        raise BadEnvFile(
            f"invalid environment variable format at line {number}: unexpected content after closing quote"
        )
    return name, value
