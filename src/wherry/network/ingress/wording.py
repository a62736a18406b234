"""Words of users in HAProxy's configuration: letters, digits and a few signs as they are, everything else as `\\xHH`.

So nothing that anybody writes can end a word, a line or an expression, or mean anything to HAProxy. Pure.
https://docs.haproxy.org/2.6/configuration.html#2.2
"""

from __future__ import annotations

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./_-")


def word(text: str) -> str:
    """One argument that means just this text. Raises ValueError for none, and for what is not printable ASCII."""
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!r} cannot be in a configuration")
    return "".join(char if char in _PLAIN else f"\\x{ord(char):02x}" for char in text)


def text(said: str) -> str:
    """The same where HAProxy looks for `%[...]` in the argument."""
    return word(said.replace("%", "%%"))
