"""Parser: from tokens to a tree with macros expanded. Stops at the first syntax error, whose wording is upstream's.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

from collections.abc import Callable

from wherry.machinery.cel import macros
from wherry.machinery.cel.ast import Call, Entry, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from wherry.machinery.cel.errors import CompileError
from wherry.machinery.cel.lexer import Token, tokens, unquote, unquote_bytes
from wherry.machinery.cel.source import Source
from wherry.machinery.cel.values import Uint

MAX_LENGTH = 100_000
MAX_DEPTH = 250
RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"}
    | {"package", "namespace", "null", "return", "true", "var", "void", "while"}
)
_STARTS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_STARTING = frozenset(
    {"[", "{", "(", ".", "-", "!", "true", "false", "null", "float", "int", "uint", "string", "bytes", "ident"}
)
_ALSO = {
    "(": _STARTS.replace("'(', '.'", "'(', ')', '.'"),
    "[": _STARTS.replace("'[', ", "'[', ']', ").replace("'.', ", "'.', ',', ").replace("'!', ", "'!', '?', "),
}
_LEVELS = (
    {"<", "<=", ">", ">=", "==", "!=", "in"},
    {"+", "-"},
    {"*", "/", "%"},
)
_FUNCTIONS = {
    "<": "_<_", "<=": "_<=_", ">": "_>_", ">=": "_>=_", "==": "_==_", "!=": "_!=_", "in": "@in",
    "+": "_+_", "-": "_-_", "*": "_*_", "/": "_/_", "%": "_%_",
}  # fmt: skip


class _Stop(Exception):
    """A syntax error has been reported."""


def parse(source: Source) -> Node:
    """The tree. Raises CompileError."""
    if len(source.text) > MAX_LENGTH:
        why = f"expression code point size exceeds limit: size: {len(source.text)}, limit {MAX_LENGTH}"
        raise CompileError(f"ERROR: <input>:-1:0: {why}")
    parser = _Parser(source)
    tree: Node | None = None
    try:
        tree = parser.whole()
    except _Stop:
        pass
    except RecursionError:
        source.report(-1, f"expression recursion limit exceeded: {MAX_DEPTH}")
    source.check()
    assert tree is not None
    return tree


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0
        self._depth = 0

    # --- Tokens ---

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _skip(self, kind: str) -> Token | None:
        return self._take() if self._tokens[self._next].kind == kind else None

    def _need(self, kind: str) -> Token:
        token = self._token
        if token.kind == kind:
            return self._take()
        following = self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else token
        name = "<EOF>" if kind == "end" else "IDENTIFIER" if kind == "ident" else f"'{kind}'"
        if following.kind == kind and token.kind != "end":
            shown = "{']', ','}" if kind == "]" else name
            raise self._stop(token, f"extraneous input '{token.text}' expecting {shown}")
        if kind in ("end", ":"):
            raise self._stop(token, f"mismatched input '{token.text}' expecting {name}")
        raise self._stop(token, f"missing {name} at '{token.text}'")

    def _stop(self, token: Token, why: str) -> _Stop:
        self._source.report(token.at, f"Syntax error: {why}")
        return _Stop()

    def _wrong(self, token: Token, why: str) -> Node:
        self._source.report(token.at, why)
        return Literal(token.at, None)

    # --- Expressions ---

    def whole(self) -> Node:
        tree = self._expression()
        self._need("end")
        return tree

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError
        node = self._logic("||")
        mark = self._skip("?")
        if mark is not None:
            then = self._logic("||")
            self._need(":")
            node = Call(mark.at, "_?_:_", [node, then, self._expression()])
        self._depth -= 1
        return node

    def _logic(self, operator: str) -> Node:
        terms = [self._logic("&&") if operator == "||" else self._binary(0)]
        places: list[int] = []
        while (mark := self._skip(operator)) is not None:
            places.append(mark.at)
            terms.append(self._logic("&&") if operator == "||" else self._binary(0))
        return _balanced(f"_{operator}_", terms, places)

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        count = 0
        while self._token.kind in _LEVELS[level]:
            mark = self._take()
            node = Call(mark.at, _FUNCTIONS[mark.kind], [node, self._binary(level + 1)])
            count += 1
            if count > MAX_DEPTH:
                raise RecursionError
        return node

    def _unary(self) -> Node:
        first = self._token
        if first.kind not in ("!", "-"):
            return self._member(self._primary())
        count = 0
        while self._token.kind == first.kind:
            following = self._tokens[self._next + 1].kind
            if first.kind == "-" and following in ("int", "float") and not count:
                break
            self._take()
            count += 1
        node = self._member(self._primary())
        if count % 2 == 0:
            return node
        return Call(first.at, "!_" if first.kind == "!" else "-_", [node])

    def _member(self, node: Node) -> Node:
        while True:
            token = self._token
            if token.kind == ".":
                node = self._dot(node)
            elif token.kind == "[":
                node = self._index(node)
            else:
                return node

    def _dot(self, operand: Node) -> Node:
        dot = self._take()
        optional = self._skip("?") is not None
        name = self._token
        if name.kind not in ("ident", "escaped"):
            raise self._no_field(name, optional=optional)
        self._take()
        field = name.text.strip("`")
        if optional:
            return Select(dot.at, operand, field, optional=True)
        opening = self._skip("(") if name.kind == "ident" else None
        if opening is None:
            return Select(dot.at, operand, field)
        return self._call(opening, name.text, operand)

    def _no_field(self, name: Token, *, optional: bool) -> _Stop:
        if optional:
            self._stop(name, f"mismatched input '{name.text}' expecting {{IDENTIFIER, ESC_IDENTIFIER}}")
            self._source.report(name.at, "unsupported ident kind")
            return _Stop()
        if name.kind in ("true", "false", "null"):
            return self._stop(name, f"mismatched input '{name.text}' expecting IDENTIFIER")
        shown = "." if name.kind == "end" else f".{name.text}"
        return self._stop(name, f"no viable alternative at input '{shown}'")

    def _index(self, operand: Node) -> Node:
        opening = self._take()
        function = "_[?_]" if self._skip("?") else "_[_]"
        index = self._expression()
        self._need("]")
        return Call(opening.at, function, [operand, index])

    def _call(self, opening: Token, function: str, target: Node | None) -> Node:
        args: list[Node] = []
        if self._token.kind != ")":
            args.append(self._expression())
            while self._skip(","):
                args.append(self._expression())
        self._need(")")
        try:
            expanded = macros.expand(opening.at, function, target, args)
        except macros.MacroError as error:
            self._source.report(error.at, str(error))
            return Literal(opening.at, None)
        return expanded or Call(opening.at, function, args, target)

    # --- Primaries ---

    def _primary(self) -> Node:
        token = self._take()
        group = _GROUPS.get(token.kind)
        if group is not None:
            return group(self, token)
        match token.kind:
            case "-" if self._token.kind in ("int", "float"):
                return self._number(token, self._take(), "-")
            case "int" | "uint" | "float":
                return self._number(token, token, "")
            case _:
                return self._constant(token)

    def _nested(self, _: Token) -> Node:
        node = self._expression()
        self._need(")")
        return node

    def _constant(self, token: Token) -> Node:
        match token.kind:
            case "true" | "false":
                return Literal(token.at, token.kind == "true")
            case "null":
                return Literal(token.at, None)
            case "string" | "bytes":
                try:
                    value = unquote(token.text) if token.kind == "string" else unquote_bytes(token.text)
                except ValueError as error:
                    return self._wrong(token, str(error))
                return Literal(token.at, value)
            case _:
                raise self._no_start(token)

    def _no_start(self, token: Token) -> _Stop:
        if token.kind == "end":
            at = token if self._source.text else token._replace(at=-2)
            before = self._tokens[self._next - 2].kind if self._next > 1 else ""
            return self._stop(at, f"mismatched input '<EOF>' expecting {_ALSO.get(before, _STARTS)}")
        extra = self._token.kind in _STARTING and token.kind != "escaped"
        return self._stop(token, f"{'extraneous' if extra else 'mismatched'} input '{token.text}' expecting {_STARTS}")

    def _number(self, first: Token, token: Token, sign: str) -> Node:
        text = token.text
        if token.kind == "float":
            value = float(sign + text)
            return (
                Literal(first.at, value) if abs(value) != float("inf") else self._wrong(first, "invalid double literal")
            )
        digits = text.rstrip("uU")
        number = int(sign + (digits[2:] if digits[:2] == "0x" else digits), 16 if digits[:2] == "0x" else 10)
        if token.kind == "uint":
            return Literal(first.at, Uint(number)) if number < 1 << 64 else self._wrong(first, "invalid uint literal")
        if not -(1 << 63) <= number < 1 << 63:
            return self._wrong(first, "invalid int literal")
        return Literal(first.at, number)

    def _named(self, token: Token) -> Node:
        leading = ""
        if token.kind == ".":
            leading, token = ".", self._need("ident")
        if self._is_struct():
            return self._struct(leading + token.text)
        if token.text in RESERVED:
            self._source.report(token.at, f"reserved identifier: {token.text}")
        opening = self._skip("(")
        if opening is not None:
            return self._call(opening, leading + token.text, None)
        return Ident(token.at, leading + token.text)

    def _is_struct(self) -> bool:
        at = self._next
        while self._tokens[at].kind == "." and self._tokens[at + 1].kind == "ident":
            at += 2
        return self._tokens[at].kind == "{"

    def _struct(self, name: str) -> Node:
        while self._skip("."):
            name += f".{self._take().text}"
        opening = self._take()
        fields: list[Entry] = []
        while self._token.kind != "}":
            optional = self._skip("?") is not None
            key = self._skip("escaped") or self._need("ident")
            colon = self._need(":")
            fields.append(Entry(colon.at, key.text.strip("`"), self._expression(), optional=optional))
            if not self._skip(","):
                break
        self._need("}")
        return Struct(opening.at, name, fields)

    def _list(self, opening: Token) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        while self._token.kind not in ("]", "end") or (not items and self._token.kind == "end"):
            if self._skip("?"):
                optional.add(len(items))
            items.append(self._expression())
            if not self._skip(","):
                break
        self._need("]")
        return ListNode(opening.at, items, frozenset(optional))

    def _map(self, opening: Token) -> Node:
        entries: list[Entry] = []
        while self._token.kind != "}":
            optional = self._skip("?") is not None
            key = self._expression()
            colon = self._need(":")
            entries.append(Entry(colon.at, key, self._expression(), optional=optional))
            if not self._skip(","):
                break
        self._need("}")
        return MapNode(opening.at, entries)


_GROUPS: dict[str, Callable[[_Parser, Token], Node]] = {
    "(": _Parser._nested,
    "[": _Parser._list,
    "{": _Parser._map,
    ".": _Parser._named,
    "ident": _Parser._named,
}


def _balanced(function: str, terms: list[Node], places: list[int]) -> Node:
    """A long chain as a shallow tree: deep ones would exhaust the stack."""
    if len(terms) == 1:
        return terms[0]
    middle = len(places) // 2
    left = _balanced(function, terms[: middle + 1], places[:middle])
    return Call(places[middle], function, [left, _balanced(function, terms[middle + 1 :], places[middle + 1 :])])
