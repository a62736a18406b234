"""Patterns: regular expressions as Go reads them (RE2), which take time linear in the text whatever they say.

https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


class BadPattern(ValueError):
    """The text is no regular expression; the message is for people."""


@lru_cache(maxsize=4096)
def pattern(text: str) -> Any:
    """A compiled expression: `.search(text)` is None when nothing matches. Raises BadPattern."""
    import re2  # loaded where there is a pattern: most commands have none

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise BadPattern(why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from None
