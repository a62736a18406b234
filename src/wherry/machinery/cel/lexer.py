"""Tokens of CEL.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wherry.machinery.cel.source import Source


class Token(NamedTuple):
    """`kind`: the text of symbols and of words of CEL; else ident, escaped, int, uint, float, string, bytes or end."""

    kind: str
    text: str
    at: int


_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_TEXT = (
    r"[rR]\"\"\".*?\"\"\"|[rR]'''.*?'''|[rR]\"[^\"\n\r]*\"|[rR]'[^'\n\r]*'"
    rf"|\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\"|'''(?:{_ESCAPE}|[^\\])*?'''"
    rf"|\"(?:{_ESCAPE}|[^\\\"\n\r])*\"|'(?:{_ESCAPE}|[^\\'\n\r])*'"
)
_TOKEN = re.compile(
    r"(?P<space>[\t \r\n\f]+|//[^\n]*)"
    rf"|(?P<bytes>[bB](?:{_TEXT}))"
    rf"|(?P<string>{_TEXT})"
    r"|(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<uint>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])"
    r"|(?P<int>0x[0-9a-fA-F]+|[0-9]+)"
    r"|(?P<escaped>`[a-zA-Z0-9_.\-/ ]+`)"
    r"|(?P<ident>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol>==|!=|<=|>=|&&|\|\||[][<>{}().,\-!?:+*/%])",
    re.DOTALL,
)
WORDS = frozenset({"in", "true", "false", "null"})
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    '"': '"', "'": "'", "\\": "\\", "?": "?", "`": "`",
}  # fmt: skip


def tokens(source: Source) -> list[Token]:
    """All tokens and an end. What is no token is reported and left out."""
    text = source.text
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at = _unknown(source, at)
            continue
        kind = match.lastgroup or ""
        if kind != "space":
            word = match.group()
            found.append(Token(word if kind == "symbol" or word in WORDS else kind, word, at))
        at = match.end()
    found.append(Token("end", "<EOF>", len(text)))
    return found


def _unknown(source: Source, at: int) -> int:
    text = source.text
    if text[at] in "\"'":
        end = _bad_text(text, at)
    else:
        end = at + (2 if text[at] in "&|=" and at + 1 < len(text) and text[at + 1] not in "&|=" else 1)
    shown = text[at:end].replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    source.report(at, f"Syntax error: token recognition error at: '{shown}'")
    return end


def _bad_text(text: str, at: int) -> int:
    """Where a literal goes wrong: at the end of the line, or behind an escape that is none."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    for found in re.finditer(rf"{_ESCAPE}|\\", text[at:end]):
        if found.group() == "\\":
            return min(at + found.end() + 1, end)
    return end


def unquote(text: str) -> str:
    """The text that a string literal stands for. Raises ValueError for code points that are none."""
    raw = text[0] in "rR"
    body = _body(text[1:] if raw else text)
    return body if raw else re.sub(_ESCAPE, lambda match: _character(match.group()[1:]), body)


def unquote_bytes(text: str) -> bytes:
    """The bytes that a bytes literal stands for: \\x and octal escapes are bytes, not code points."""
    text = text[1:]
    raw = text[0] in "rR"
    body = _body(text[1:] if raw else text)
    if raw:
        return body.encode("utf-8", "surrogatepass")
    out = bytearray()
    at = 0
    for match in re.finditer(_ESCAPE, body):
        out += body[at : match.start()].encode("utf-8", "surrogatepass")
        escape = match.group()[1:]
        if escape[0] in "uU":
            raise ValueError("unable to unescape string")
        out += bytes([_byte(escape)]) if escape[0] in "01234567xX" else _character(escape).encode()
        at = match.end()
    return bytes(out + body[at:].encode("utf-8", "surrogatepass"))


def _body(text: str) -> str:
    return text[3:-3] if text[:3] in ('"""', "'''") and len(text) >= 6 else text[1:-1]


def _byte(escape: str) -> int:
    return int(escape[1:], 16) if escape[0] in "xX" else int(escape, 8)


def _character(escape: str) -> Any:
    if escape[0] in _SIMPLE:
        return _SIMPLE[escape[0]]
    code = int(escape[1:], 16) if escape[0] in "xXuU" else int(escape, 8)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise ValueError("invalid unicode code point")
    return chr(code)
