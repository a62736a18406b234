"""Nobody grants more than they have: what `uncovered` finds nothing against gives no right that was not held.

A grant passes the check (`admission.escalation`) exactly when nothing is uncovered. Whatever is then asked, by whatever
chain of such grants, must have been allowed before; and rules that are held may be granted.
"""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from wherry.api.types.rbac import PolicyRule
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.rules import Attributes, allows, uncovered

EVE = User("eve")
VERBS = st.sampled_from(("get", "list", "create", "*", "escalate"))
GROUPS = st.sampled_from(("", "apps", "*"))
RESOURCES = st.sampled_from(("pods", "pods/exec", "pods/*", "*/exec", "*/scale", "secrets", "*"))
NAMES = st.sampled_from(("a", "b", "*"))
URLS = st.sampled_from(
    ("*", "/", "/metrics", "/metrics/*", "/met*", "/metrics*", "/healthz", "/apis/*", "/apis/apps/*", "**")
)


def some(of: st.SearchStrategy[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(of, min_size=least, max_size=3, unique=True).map(tuple)


RESOURCE_RULES = st.builds(
    PolicyRule, verbs=some(VERBS), api_groups=some(GROUPS), resources=some(RESOURCES), resource_names=some(NAMES, 0)
)
URL_RULES = st.builds(PolicyRule, verbs=some(VERBS), non_resource_urls=some(URLS))
RULES = st.lists(st.one_of(RESOURCE_RULES, URL_RULES), max_size=4).map(tuple)
FIELDS: dict[str, st.SearchStrategy[tuple[str, ...]]] = {
    "verbs": some(VERBS), "api_groups": some(GROUPS), "resources": some(RESOURCES), "resource_names": some(NAMES, 0),
}  # fmt: skip
QUESTIONS = (
    *(
        Attributes(EVE, verb, group, resource, subresource, name=name)
        for verb, group, resource, subresource, name in product(
            ("get", "delete"), ("", "apps"), ("pods", "secrets"), ("", "exec", "scale"), ("", "a", "b")
        )
    ),
    *(
        Attributes(EVE, "get", path=path)
        for path in ("/", "/metrics", "/metrics/a", "/metric", "/healthz", "/apis", "/apis/apps/v1")
    ),
)


@st.composite
def grant(draw: st.DrawFn, held: tuple[PolicyRule, ...]) -> tuple[PolicyRule, ...]:
    """Anything; or, which is nearer to the edge, a rule that is held with one field changed."""
    own = [rule for rule in held if rule.resources]
    if not own or draw(st.booleans()):
        return draw(RULES)
    field = draw(st.sampled_from(sorted(FIELDS)))
    return (replace(draw(st.sampled_from(own)), **{field: draw(FIELDS[field])}),)


def rights(rules: tuple[PolicyRule, ...]) -> set[Attributes]:
    return {asked for asked in QUESTIONS if any(allows(rule, asked) for rule in rules)}


@settings(max_examples=100, deadline=None)
@given(held=RULES, data=st.data())
def test_no_chain_of_grants_leads_out_of_what_was_held(held: tuple[PolicyRule, ...], data: st.DataObject) -> None:
    now = held
    for _ in range(3):
        wanted = data.draw(grant(held))
        if not uncovered(now, wanted):
            now = (*now, *wanted)
    assert rights(now) == rights(held)


@settings(deadline=None)
@given(held=RULES, more=RULES)
def test_what_is_held_may_be_granted(held: tuple[PolicyRule, ...], more: tuple[PolicyRule, ...]) -> None:
    assert not uncovered((*held, *more), held)
    assert not uncovered((*more, *held), held)
