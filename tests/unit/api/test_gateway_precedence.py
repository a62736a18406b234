"""Who answers where several claim the same, and that what is told is what the entry does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wherry.api.gateway.attachment import parents
from wherry.api.gateway.kinds import Gateway, GatewayClass, GatewayClassSpec, HTTPRoute
from wherry.api.gateway.listeners import judge
from wherry.api.gateway.precedence import claimed, covering, lost, meaning, rivalled, told
from wherry.api.gateway.world import CONTROLLER, World
from wherry.api.networking.ingress_claims import Held, Place
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, key_of
from wherry.network.ingress.gateways import asked

Json = dict[str, Any]


def gateway(*hosts: str) -> Gateway:
    listeners = [
        {"name": f"l{n}", "port": 80, "protocol": "HTTP", **({"hostname": host} if host else {})}
        for n, host in enumerate(hosts)
    ]
    meta = {"name": "g", "namespace": "d"}
    return from_dict(Gateway, {"metadata": meta, "spec": {"gatewayClassName": "w", "listeners": listeners}})


def route(name: str, *rules: list[Json], age: int = 0, hosts: tuple[str, ...] = ("a.test",)) -> HTTPRoute:
    meta = {"name": name, "namespace": "d", "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    spec = {
        "parentRefs": [{"name": "g"}],
        "hostnames": list(hosts),
        "rules": [{"matches": matches} for matches in rules],
    }
    return from_dict(HTTPRoute, {"metadata": meta, "spec": spec})


def path(value: str, kind: str = "PathPrefix", **more: Any) -> Json:
    return {"path": {"type": kind, "value": value}, **more}


def world(routes: list[HTTPRoute], *hosts: str) -> World:
    return World(
        classes={"w": GatewayClass(spec=GatewayClassSpec(controller_name=CONTROLLER))},
        gateways={Key("d", "g"): gateway(*(hosts or ("",)))},
        routes={key_of(one): one for one in routes},
    )


def losses(routes: list[HTTPRoute], name: str, *hosts: str, ingresses: dict[str, Held] | None = None) -> list[str]:
    everything = world(routes, *hosts)
    route = everything.routes[Key("d", name)]
    found = lost(everything, judge(everything), route, routes, ingresses or {})
    return [f"{one.reason}: {one}" for known in found.values() for one in known]


def test_the_older_route_has_precedence() -> None:
    routes = [
        route("young", [path("/x"), path("/y")], [path("/z")], age=9),
        route("old", [path("/")], [path("/z/")], age=1),
    ]
    assert losses(routes, "old") == []
    assert losses(routes, "young") == [
        "RouteConflict: match 0 of rule 1 (a.test:80/z) gets no requests: rule 1 of the older HTTPRoute d/old has them"
    ]


def test_of_one_age_the_name_decides() -> None:
    routes = [route("b", [path("/")]), route("a", [path("/")])]
    assert losses(routes, "a") == []
    assert len(losses(routes, "b")) == 1


def test_within_a_route_the_first_rule_has_precedence() -> None:
    routes = [route("a", [path("/", method="GET")], [path("/"), path("/", method="GET")])]
    assert losses(routes, "a") == [
        "RouteConflict: match 1 of rule 1 (a.test:80/) gets no requests: rule 0 of the same route has them"
    ]


def test_more_or_less_exact_matches_do_not_conflict() -> None:
    header = [{"name": "X", "value": "1"}]
    exact = [route("old", [path("/x")]), route("young", [path("/x", "Exact")], [path("/x", headers=header)], age=5)]
    assert losses(exact, "young") == []
    elsewhere = [route("old", [path("/x")]), route("young", [path("/x")], age=5, hosts=("b.test", "*.test"))]
    assert losses(elsewhere, "young") == []


def test_what_the_listener_narrows_to_the_same_host_conflicts() -> None:
    routes = [route("old", [path("/")], hosts=()), route("young", [path("/")], age=5, hosts=("*.test",))]
    assert losses(routes, "young") == []
    assert len(losses(routes, "young", "a.test")) == 1


def test_headers_are_compared_by_what_they_mean() -> None:
    first = [{"name": "X-A", "value": "1"}, {"name": "b", "value": "2"}]
    second = [{"name": "B", "value": "2"}, {"name": "x-a", "value": "1"}, {"name": "X-A", "value": "3"}]
    one, two = (route("r", [path("/", headers=headers)]).spec.rules[0].matches[0] for headers in (first, second))
    assert meaning(one) == meaning(two)


def test_who_had_the_host_first_is_asked_first() -> None:
    shop = Held("2026-01-01T00:00:05Z", {Place("a.test", "prefix", "/shop/"): Key("d", "i")})
    routes = [route("r", [path("/")], [path("/shop/x"), path("/shopping")], [path("/shop", "Exact")], age=9)]
    told_ = losses(routes, "r", ingresses={"a.test": shop})
    assert [one.partition(")")[0] for one in told_] == [
        "IngressConflict: match 0 of rule 1 (a.test:80/shop/x", "IngressConflict: match 0 of rule 2 (a.test:80/shop"
    ]  # fmt: skip
    assert "the Ingress d/i has them" in told_[0]
    older = [route("first", [path("/other")], age=1), *routes]
    assert losses(older, "r", ingresses={"a.test": shop}) == []
    assert losses(routes, "r", ingresses={"b.test": shop}) == []


def test_many_losses_are_counted() -> None:
    paths = [path(f"/{n}") for n in range(9)]
    routes = [route("old", paths), route("young", paths, age=3)]
    everything = world(routes)
    found = lost(everything, judge(everything), routes[1], routes, {})
    verdict = told(next(iter(found.values())))
    assert verdict is not None
    assert verdict.message.endswith("; and 4 more")
    assert told([]) is None


HOSTS = st.sampled_from(["", "a.test", "*.test", "b.test"])
MATCHES = st.builds(
    path,
    st.sampled_from(["/", "/x", "/x/"]),
    st.sampled_from(["Exact", "PathPrefix"]),
    method=st.sampled_from(["", "GET"]),
    headers=st.sampled_from([[], [{"name": "A", "value": "1"}], [{"name": "a", "value": "1"}]]),
)
ROUTES = st.lists(
    st.tuples(st.integers(0, 3), st.lists(HOSTS, max_size=2, unique=True), st.lists(MATCHES, min_size=1, max_size=3)),
    min_size=1,
    max_size=4,
).map(
    lambda drawn: [
        route(f"r{n}", *([one] for one in matches), age=age, hosts=tuple(filter(None, hosts)))
        for n, (age, hosts, matches) in enumerate(drawn)
    ]
)


@given(ROUTES, st.lists(HOSTS, min_size=1, max_size=2, unique=True))
def test_what_is_told_is_what_the_entry_does(routes: list[HTTPRoute], hosts: list[str]) -> None:
    """A rule of a site gets nothing where one with the same conditions is tried before; just those are told."""
    everything = world(routes, *hosts)
    judgement = judge(everything)
    never: list[tuple[Key, str]] = []
    for site in asked(everything).sites:
        seen: set[object] = set()
        for rule, owner in zip(site.rules, site.owners, strict=True):
            asks = frozenset((one.what, one.value, one.name.lower()) for one in rule.conditions)
            if asks in seen:
                never.append((owner, f"{site.host or '*'}:80"))
            seen.add(asks)
    found = [
        (key_of(one), loss.where.partition("/")[0])
        for one in routes
        for known in lost(everything, judgement, one, routes, {}).values()
        for loss in known
    ]
    assert sorted(found) == sorted(never)


@given(ROUTES, st.lists(HOSTS, min_size=1, max_size=2, unique=True))
def test_rivals_are_found_by_what_they_claim(routes: list[HTTPRoute], hosts: list[str]) -> None:
    """It is enough to look at those that are found under the texts: nothing that is lost is missed."""
    everything = world(routes, *hosts)
    judgement = judge(everything)
    for one in routes:
        places = (place for parent in parents(everything, judgement, one) for place in parent.places)
        at = {host for place in places for host in place.hosts}
        texts = set(rivalled(one, at))
        looked_up = [other for other in routes if texts & set(claimed(other))]
        assert lost(everything, judgement, one, looked_up, {}) == lost(everything, judgement, one, routes, {})


def test_names_that_cover_another() -> None:
    assert list(covering("a.b.test")) == ["a.b.test", "*.b.test", "*.test", ""]
    assert list(covering("*.b.test")) == ["*.b.test", "*.test", ""]
    assert list(covering("")) == [""]
