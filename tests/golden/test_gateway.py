"""Gateways and routes as HAProxy's configuration, to the letter; and words that can mean nothing but themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.api.gateway.kinds import Gateway, GatewayClass, GatewayClassSpec, HTTPRoute
from wherry.api.gateway.world import CONTROLLER, World
from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.network.ingress.certificates import listing
from wherry.network.ingress.config import Shape, render
from wherry.network.ingress.gateways import Asked, Known, asked
from wherry.network.ingress.maps import EXACT, PREFIXES, SITES, Desk, Wanted
from wherry.network.ingress.routes import Picture
from wherry.network.ingress.sites import Site
from wherry.network.ingress.wording import text, word

FOLDER = Path(__file__).parent / "gateway"


ONE = Service(metadata=ObjectMeta(name="one", namespace="d"), spec=ServiceSpec(ports=(ServicePort(port=80),)))


def look(gateway: Any, routes: list[Any], service: Service = ONE) -> Asked:
    read = [from_dict(HTTPRoute, one) for one in routes]
    return asked(
        World(
            classes={"w": GatewayClass(spec=GatewayClassSpec(controller_name=CONTROLLER))},
            gateways={Key("d", "g"): from_dict(Gateway, gateway)},
            routes={key_of(one): one for one in read},
            services={Key("d", "one"): service},
        )
    )


def wanted(found: Asked, desk: Desk) -> Wanted:
    picture = Picture(endpoints=dict.fromkeys(found.backends, ()))
    found.add_to(picture)
    return desk.wanted(picture, {})


def test_the_configuration() -> None:
    given_ = yaml.safe_load((FOLDER / "objects.yaml").read_text())
    found = look(given_["gateway"], given_["routes"])
    desk = Desk()
    shown = wanted(found, desk)
    written = render(Shape(Path("/e")), desk.size, shown.servers, shown.ruled)
    frontend = written[written.index("frontend entry") : written.index("backend http-0")]
    assert frontend == (FOLDER / "site.cfg").read_text()
    assert shown.maps[SITES] == {"80|plain.test": "6"}
    assert shown.maps[EXACT] == {"80|plain.test/x": "http-0"}
    assert shown.maps[PREFIXES] == {"80|plain.test/y/": "http-0"}


def test_only_what_is_more_than_plain_needs_a_new_configuration() -> None:
    given_ = yaml.safe_load((FOLDER / "objects.yaml").read_text())
    plain, ruled = given_["routes"]
    desk = Desk()
    with_both = wanted(look(given_["gateway"], [plain, ruled]), desk).ruled
    plain["spec"]["hostnames"].append("other.test")
    plain["spec"]["rules"][0]["matches"].append({"path": {"value": "/z"}})
    assert wanted(look(given_["gateway"], [plain, ruled]), desk).ruled == with_both
    ruled["spec"]["rules"][0]["backendRefs"][0]["weight"] = 4
    assert wanted(look(given_["gateway"], [plain, ruled]), desk).ruled != with_both


def names(sites: tuple[Site, ...]) -> list[str]:
    return [site.name for site in sites]


def test_the_most_exact_host_comes_first_and_a_listener_without_routes_is_there() -> None:
    given_ = yaml.safe_load((FOLDER / "objects.yaml").read_text())
    gateway, (plain, ruled) = given_["gateway"], given_["routes"]
    ruled["spec"]["hostnames"] += ["*.x.w.test", "a.w.test", "w.test"]
    assert names(look(gateway, [plain, ruled]).sites) == [
        "80|plain.test", "80|a.w.test", "80|w.test", "80|*.x.w.test", "80|*.w.test", "80|_",
        "8080|a.w.test", "8080|*.x.w.test", "8080|*.w.test",
    ]  # fmt: skip
    assert names(look(gateway, []).sites) == ["80|_", "8080|*.w.test"]


_WORD = re.compile(r"(?:[A-Za-z0-9./_-]|\\x[0-9a-f]{2})+")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
def test_a_word_is_one_argument_and_means_itself(said: str) -> None:
    for written, meant in ((word(said), said), (text(said), said.replace("%", "%%"))):
        assert _WORD.fullmatch(written)
        assert re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), written) == meant


@given(st.text().filter(lambda said: not said or not said.isascii() or not said.isprintable()))
def test_what_is_no_printable_text_is_no_word(said: str) -> None:
    with pytest.raises(ValueError, match="cannot be in a configuration"):
        word(said)


def test_a_certificate_without_a_host_is_shown_for_its_own_names() -> None:
    assert listing("/own.pem", {"+d/s": "/s.pem", "a.test": "/a.pem"}) == "/own.pem\n/s.pem\n/a.pem a.test\n"


def test_a_service_that_speaks_http_2_is_spoken_to_so() -> None:
    """No backend of its kind is there until there is one."""
    given_ = yaml.safe_load((FOLDER / "objects.yaml").read_text())
    port = ServicePort(port=80, app_protocol="kubernetes.io/h2c")
    service = Service(metadata=ObjectMeta(name="one", namespace="d"), spec=ServiceSpec(ports=(port,)))
    desk = Desk()
    shown = wanted(look(given_["gateway"], given_["routes"], service), desk)
    assert shown.maps[EXACT] == {"80|plain.test/x": "h2c-0"}
    assert desk.grown
    written = render(Shape(Path("/e")), desk.size, shown.servers, shown.ruled)
    assert "backend h2c-1\n" in written
    assert "server s1 127.0.0.1:1 disabled proto h2\n" in written
    assert "h2c" not in render(Shape(Path("/e")), Desk().size, {})


HOSTS = st.sampled_from(("", "a.test", "b.test", "*.test"))
WHERE = st.sampled_from(("one", "missing"))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), HOSTS, WHERE, st.sampled_from(("", "*.test", "a.test"))), max_size=10))
def test_what_is_known_changes_no_answer(history: list[tuple[int, str, str, str]]) -> None:
    """However routes, listeners and Services come and change, it is as if all were worked out anew."""
    known = Known()
    routes: dict[Key, HTTPRoute] = {}
    for number, host, where, listener in history:
        rule = {"backendRefs": [{"name": where, "port": 80}]}
        spec = {"parentRefs": [{"name": "g"}], "hostnames": [host] if host else [], "rules": [rule]}
        made = from_dict(HTTPRoute, {"metadata": {"name": f"r{number}", "namespace": "d"}, "spec": spec})
        routes = {key: one for key, one in routes.items() if host or key.name != f"r{number - 1}"} | {
            key_of(made): made
        }
        services = {} if where == "missing" else {Key("d", "one"): ONE}
        listeners = [{"name": "l", "port": 80, "protocol": "HTTP", "hostname": listener}]
        spec = {"gatewayClassName": "w", "listeners": [*listeners, {"name": "m", "port": 81, "protocol": "HTTP"}]}
        gateway = from_dict(Gateway, {"metadata": {"name": "g", "namespace": "d"}, "spec": spec})
        world = World(
            classes={"w": GatewayClass(spec=GatewayClassSpec(controller_name=CONTROLLER))},
            gateways={Key("d", "g"): gateway}, routes=routes, services=services,
        )  # fmt: skip
        assert asked(world, known) == asked(world)
