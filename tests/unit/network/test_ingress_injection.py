"""Hosts, paths and annotations of any text: HAProxy is told commands of ours alone (CVE-2021-25742, CVE-2025-1974).

A command ends with a line feed or `;`, and words with blanks; a backslash or quote changes what follows. What an
Ingress says can therefore hold none of them, is escaped (in a path `;`, and `<`, as `<<` begins a payload), or is
refused in its status.
"""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.network.test_ingress_routes import ingress, look
from wherry.network.ingress.maps import FILES, NO_RULES, Desk, Wanted, commands

NASTY = st.sampled_from(
    ("\n", "\r", ";", " ", "\t", "}", "{", "'", '"', "\\", "$(id)", "%[env(A)]", "#", "\0", "é", "\u2028", "<<")
)
PLAIN = st.text(alphabet="abcxyz019-./*", max_size=8)
TEXT = st.lists(NASTY | PLAIN, max_size=5).map("".join) | st.text(max_size=20)
NOTES = ("timeout-seconds", "body-limit", "backend-protocol", "hold-seconds", "allow", "redirect", "rewrite", "snippet")
COMMAND = re.compile(
    r"set server [\w-]+/s\d+ (addr [0-9.]+ port \d+|state ready|state maint)"
    r"|(add|set) map \w+ [!-~]+ [!-~]+|del map \w+ [!-~]+"
)


@given(
    st.lists(
        st.tuples(TEXT | st.just("a.test"), TEXT.map(lambda t: f"/{t}"), st.sampled_from(("Prefix", "Exact"))),
        max_size=4,
    ),
    st.dictionaries(st.sampled_from(NOTES).map(lambda n: f"wherry.dev/{n}"), TEXT, max_size=4),
)
@example([("a.test", "/x\ndisable frontend sites", "Prefix")], {})
@example([("a.test", "/x;shutdown", "Exact"), ("a b", "/", "Prefix"), ("a.test;", "/", "Prefix")], {})
@example([("a.test", "/<<", "Prefix"), ("a.test", "/<<x", "Exact")], {})
@example([("a.test", "/", "Prefix")], {"wherry.dev/body-limit": "1m\nadd map prefix x y"})
@example([("a.test", '/"', "Prefix"), ("a.test", "/\\", "Prefix"), ("a.test", "/'", "Prefix")], {})
@settings(max_examples=200, deadline=None)
def test_nothing_but_commands_of_ours(paths: list[tuple[str, str, str]], notes: dict[str, str]) -> None:
    """(Fails when a host or path is not held against what may be in one.)"""
    found = look(ingress("a", *paths, annotations=notes))
    wanted = Desk().wanted(found, {})
    before = Wanted({name: {} for name in FILES}, {}, NO_RULES)
    for line in commands(before, wanted, {name: name for name in FILES}):
        assert COMMAND.fullmatch(line), line
        assert not set(line.replace("\\;", "").replace("\\<", "")) & set("<;\\\"'"), line
