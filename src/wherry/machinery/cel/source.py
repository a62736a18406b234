"""Source: the text of an expression, and problems found in it, printed as upstream prints them."""

from __future__ import annotations

from bisect import bisect_right

from wherry.machinery.cel.errors import CompileError


class Source:
    """The text, and the problems found so far. Offsets count characters; -1 is the whole text, -2 an empty one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
        self._problems: list[tuple[int, str]] = []

    @property
    def problems(self) -> int:
        """How many have been found."""
        return len(self._problems)

    def report(self, at: int, message: str) -> None:
        """Note a problem."""
        self._problems.append((at, message))

    def check(self) -> None:
        """Raises CompileError when there were problems, in the order of their places."""
        if self._problems:
            found = sorted(dict.fromkeys(self._problems), key=lambda problem: problem[0])
            raise CompileError("\n".join(self._show(*problem) for problem in found))

    def _show(self, at: int, message: str) -> str:
        if at < 0:
            return f"ERROR: <input>:{'-1' if at == -1 else '1'}:0: {message}"
        line = bisect_right(self._lines, at)
        column = at - self._lines[line - 1]
        shown = self.text.split("\n")[line - 1].replace("\t", " ")
        dots = "".join("．" if ord(char) > 127 else "." for char in shown[:column])  # noqa: RUF001
        caret = "＾" if ord(shown[column : column + 1] or " ") > 127 else "^"  # noqa: RUF001
        return f"ERROR: <input>:{line}:{column + 1}: {message}\n | {shown}\n | {dots}{caret}"
