"""Who serves which host and path, and how that becomes maps and slots of HAProxy."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.network.objects import endpoint, service, slice_of
from wherry.api.networking.ingress_claims import Place
from wherry.api.networking.ingressclass import CONTROLLER, DEFAULT_ANNOTATION, served
from wherry.api.types.networking import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassSpec,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
    ServiceBackendPort,
)
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.network.ingress.answers import read
from wherry.network.ingress.backends import PLAIN, Backend, Endpoint, Options
from wherry.network.ingress.maps import FILES, NO_RULES, Desk, Size, Wanted, commands
from wherry.network.ingress.routes import Picture, Readings, picture


def backend(name: str = "web", port: int = 80) -> IngressBackend:
    return IngressBackend(service=IngressServiceBackend(name=name, port=ServiceBackendPort(number=port)))


def ingress(name: str, *paths: tuple[str, str, str], age: int = 0, **meta: Any) -> Ingress:
    rules = tuple(
        IngressRule(
            host=host, http=HTTPIngressRuleValue(paths=(HTTPIngressPath(path=path, path_type=kind, backend=backend()),))
        )
        for host, path, kind in paths
    )
    spec = IngressSpec(rules=rules, **meta.pop("spec", {}))
    return Ingress(metadata=ObjectMeta(name=name, namespace="d", creation_timestamp=time_at(age), **meta), spec=spec)


def look(*ingresses: Ingress) -> Picture:
    services = {Key("d", "web"): service(), Key("d", "other"): service("other")}
    return picture(ingresses, services, {Key("d", "web"): [slice_of(endpoint("10.244.0.2"), endpoint("10.244.0.3"))]})


WEB = Backend(Key("d", "web"), "80", PLAIN)


def test_places() -> None:
    found = look(ingress("a", ("A.test", "/x/", "Prefix"), ("", "", "Prefix"), ("a.test", "/x", "Exact")))
    assert found.routes == {
        Place("a.test", "prefix", "/x/"): WEB,
        Place("", "prefix", "/"): WEB,
        Place("a.test", "exact", "/x"): WEB,
    }
    assert found.endpoints == {WEB: (Endpoint("10.244.0.2", 8080), Endpoint("10.244.0.3", 8080))}
    assert found.problems == {}


def test_what_nobody_can_be_sent_to_is_told() -> None:
    broken = ingress("a", ("a.test", "/q'x", "Prefix"), ("bad_host", "/", "Prefix"), annotations={
        "wherry.dev/hold-seconds": "-1", "wherry.dev/body-limit": "10 cats", "wherry.dev/backend-protocol": "smoke"
    }, spec={"default_backend": backend("nobody")})  # fmt: skip
    found = look(broken, ingress("b", spec={"default_backend": backend("web", 81)}))
    assert found.routes == {}
    assert found.problems == {
        Key("d", "a"): [
            "wherry.dev/backend-protocol is 'smoke', not http, https or proxy",
            "wherry.dev/hold-seconds is '-1', not a number of seconds up to 600",
            "wherry.dev/body-limit is '10 cats', not a size such as 10m",
            'the path "/q\'x" holds what cannot be in a path',
            "the host 'bad_host' is not a DNS name",
            "there is no Service 'nobody'",
        ],
        Key("d", "b"): ["the Service 'web' has no port 81"],
    }


def test_the_older_claim_stands() -> None:
    notes = {"wherry.dev/timeout-seconds": "5", "wherry.dev/body-limit": "2k"}
    younger = ingress("a", ("a.test", "/", "Prefix"), age=9, annotations=notes)
    found = look(younger, ingress("b", ("a.test", "/", "Prefix"), age=1))
    assert found.routes == {Place("a.test", "prefix", "/"): WEB}
    assert found.problems == {Key("d", "a"): ["a.test/ is served by d/web:80 already: the Ingress d/b is older"]}
    assert look(younger).routes[Place("a.test", "prefix", "/")].options == Options(timeout=5, body=2048)


def test_those_who_may_wait_are_not_sent_to_pods_that_go() -> None:
    services = {Key("d", "web"): service()}
    going = slice_of(endpoint("10.244.0.2", ready=False, serving=True, terminating=True))
    plain = ingress("a", ("a.test", "/", "Prefix"))
    waiting = ingress("b", ("b.test", "/", "Prefix"), annotations={"wherry.dev/hold-seconds": "9"})
    found = picture([plain, waiting], services, {Key("d", "web"): [going]})
    assert {b.options.hold: endpoints for b, endpoints in found.endpoints.items()} == {
        0: (Endpoint("10.244.0.2", 8080),), 9: ()
    }  # fmt: skip


def test_certificates_by_host() -> None:
    secured = ingress("a", ("a.test", "/", "Prefix"), spec={"tls": (IngressTLS(secret_name="s"),)})
    found = look(secured)
    assert found.secrets == {"a.test": Key("d", "s")}
    assert Desk().wanted(found, {}).maps["secure"] == {"a.test": "1"}


def test_classes() -> None:
    def kind(controller: str, *, usual: bool) -> IngressClass:
        notes = {DEFAULT_ANNOTATION: "true"} if usual else {}
        return IngressClass(metadata=ObjectMeta(annotations=notes), spec=IngressClassSpec(controller=controller))

    def asks(name: str | None) -> Ingress:
        return Ingress(spec=IngressSpec(ingress_class_name=name))

    classes = {"wherry": kind(CONTROLLER, usual=True), "nginx": kind("k8s.io/ingress-nginx", usual=False)}
    assert [served(asks(n), classes) for n in (None, "wherry", "nginx", "gone")] == [True, True, False, False]
    assert not served(asks(None), {"wherry": kind(CONTROLLER, usual=False)})


BACKENDS = [Backend(Key("d", f"s{n}"), "80", PLAIN) for n in range(6)]
PICTURES = st.dictionaries(
    st.sampled_from(BACKENDS),
    st.sets(st.integers(1, 9), max_size=7).map(lambda found: tuple(Endpoint(f"10.0.0.{n}", 80) for n in sorted(found))),
)


def drawn(endpoints: dict[Backend, tuple[Endpoint, ...]]) -> Picture:
    routes = {Place(f"{backend.service.name}.test", "prefix", "/"): backend for backend in endpoints}
    return Picture(routes=routes, endpoints=dict(endpoints))


@given(st.lists(PICTURES, min_size=1, max_size=6))
def test_any_history_leads_to_what_is_wanted(history: list[dict[Backend, tuple[Endpoint, ...]]]) -> None:
    """A HAProxy that is told the commands shows exactly the last picture; endpoints that stay keep their slot."""
    desk = Desk(Size({"http": 2, "https": 1, "proxy": 1}, 2))
    shown = Wanted({name: {} for name in FILES}, {}, NO_RULES)
    live: dict[str, str] = {}
    maps: dict[str, dict[str, str]] = {name: {} for name in FILES}
    for endpoints in history:
        wanted = desk.wanted(drawn(endpoints), {})
        for line in commands(shown, wanted, {name: name for name in FILES}):
            _obey(line, live, maps)
        kept = {key: one for key, one in shown.servers.items() if wanted.servers.get(key) == one}
        assert all(wanted.servers[key] == one for key, one in kept.items())
        shown = wanted
        assert maps == wanted.maps
        assert live == {f"{name}/s{slot}": f"{one.ip}:{one.port}" for (name, slot), one in wanted.servers.items()}
        for host, name in wanted.maps["prefix"].items():
            service_name = host.partition(".")[0]
            expected = next(found for known, found in endpoints.items() if known.service.name == service_name)
            assert sorted(one for (at, _), one in wanted.servers.items() if at == name) == sorted(expected)


def _obey(line: str, live: dict[str, str], maps: dict[str, dict[str, str]]) -> None:
    match line.split():
        case ["set", "server", server, "addr", ip, "port", port]:
            live[server] = f"{ip}:{port}"
        case ["set", "server", server, "state", "ready"]:
            assert server in live
        case ["set", "server", server, "state", "maint"]:
            del live[server]
        case ["add", "map", name, key, value]:
            assert key not in maps[name]
            maps[name][key] = value
        case ["set", "map", name, key, value]:
            assert key in maps[name]
            maps[name][key] = value
        case ["del", "map", name, key]:
            del maps[name][key]
        case _:
            raise AssertionError(line)


def test_what_acme_looks_for_is_answered_while_it_is_published() -> None:
    token, answer = "a-token_1", "a-token_1.and-thumbprint"
    assert read({token: answer, "with space": "x", "other": "two words", "%[env(HOME)]": "x"}) == {
        f"/.well-known/acme-challenge/{token}": answer
    }
    desk = Desk()
    found = look(ingress("a", ("a.test", "/", "Prefix")))
    without = desk.wanted(found, {})
    answering = desk.wanted(found, {}, read({token: answer}))
    files = {name: name for name in FILES}
    assert commands(without, answering, files) == [f"add map answers /.well-known/acme-challenge/{token} {answer}"]
    assert commands(answering, without, files) == [f"del map answers /.well-known/acme-challenge/{token}"]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(("/", "/x", "/y", "no path")), st.sampled_from(("", "5", "soon"))),
        max_size=12,
    )
)
def test_what_is_remembered_changes_nothing(history: list[tuple[int, str, str]]) -> None:
    """However Ingresses come and change, it is as if all were read anew."""
    services = {Key("d", "web"): service()}
    slices = {Key("d", "web"): [slice_of(endpoint("10.244.0.2"))]}
    readings, there = Readings(), {0: ingress("i0", ("a.test", "/", "Prefix"), uid="u0")}
    for number, path, seconds in history:
        notes = {"wherry.dev/timeout-seconds": seconds} if seconds else {}
        made = ingress(f"i{number}", ("a.test", path, "Prefix"), uid=f"u{number}", annotations=notes)
        there = {one: kept for one, kept in there.items() if path != "/" or one != number - 1} | {number: made}
        listed = list(there.values())
        assert picture(listed, services, slices, readings) == picture(listed, services, slices)
        readings.keep(listed)
