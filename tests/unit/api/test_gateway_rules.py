"""Host names, what a rule may ask for, and what becomes of listeners: tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.gateway.bundle import GROUP
from wherry.api.gateway.hostnames import covers, intersection
from wherry.api.gateway.kinds import Gateway, GatewayClass, GatewayClassSpec, ReferenceGrant, RouteRule
from wherry.api.gateway.listeners import Judged, judge, refused
from wherry.api.gateway.support import expression_problem, milliseconds, unsupported
from wherry.api.gateway.world import CONTROLLER, World, by_namespace
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, key_of

LABELS = st.sampled_from(["a", "b", "c"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
HOSTS = st.one_of(st.just(""), NAMES, NAMES.map(lambda name: f"*.{name}"))


def means(host: str, name: str) -> bool:
    """The naive twin: whether a host name of a listener or route means a name."""
    return not host or host == name or (host.startswith("*.") and name.endswith(host[1:]) and name != host[1:])


@given(HOSTS, HOSTS, NAMES)
def test_an_intersection_is_what_both_mean(listener: str, route: str, name: str) -> None:
    found = intersection(listener, [route] if route else [])
    assert any(means(host, name) for host in found) == (means(listener, name) and means(route, name))


@given(HOSTS, HOSTS, NAMES)
def test_who_covers_another_means_all_it_means(wide: str, host: str, name: str) -> None:
    if covers(wide, host) and means(host, name):
        assert means(wide, name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/a/[0-9]{1,3}", ""),
        ("/(?:a|b)/.*", ""),
        (r"/\d+\.html", ""),
        ("[^/]+", ""),
        ("(ab)?c*", ""),
        ("(", "not a regular expression"),
        ("(a+)+", "what repeats must not itself repeat or choose"),
        ("(?:a|aa)*", "what repeats must not itself repeat or choose"),
        ("((a)b){2}", "what repeats must not itself repeat or choose"),
        ("(?i)a", "groups with (?"),
        ("(?P<n>a)", "groups with (?"),
        (r"\pN", "the escape"),
        (r"a\z", "the escape"),
        ("[[:alpha:]]", "such a class"),
        ("a\nb", "not printable"),
        ("é", "not printable"),
        ("", "not printable"),
        ("a" * 1025, "not printable"),
    ],
)
def test_regular_expressions(text: str, why: str) -> None:
    found = expression_problem(text)
    assert found.startswith(why) if why else found == ""


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_any_text_is_judged(text: str) -> None:
    expression_problem(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", 0), ("500ms", 500), ("1s", 1000), ("0s", 86_400_000), ("1h30m", 5_400_000), ("25h", None), ("x", None)],
)
def test_timeouts(text: str, found: int | None) -> None:
    assert milliseconds(text) == found


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, ""),
        ({"filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "a.test"}}]}, ""),
        ({"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "a"}}}]}, ""),
        (
            {"filters": [{"type": "RequestMirror", "requestMirror": {"fraction": {"denominator": 0}}}]},
            "UnsupportedValue",
        ),
        ({"backendRefs": [{"name": "a", "filters": [{"type": "RequestMirror"}]}]}, "UnsupportedValue"),
        ({"filters": [{"type": "CORS", "cors": {"allowOrigins": ["https://*.a.test:8443", "http://*"]}}]}, ""),
        ({"filters": [{"type": "CORS", "cors": {"allowOrigins": ["ftp://a.test"]}}]}, "UnsupportedValue"),
        ({"filters": [{"type": "CORS", "cors": {"allowMethods": ["*", "EAT"]}}]}, "UnsupportedValue"),
        ({"filters": [{"type": "CORS", "cors": {"exposeHeaders": ["a\nb"]}}]}, "UnsupportedValue"),
        ({"backendRefs": [{"name": "a", "filters": [{"type": "CORS", "cors": {}}]}]}, "UnsupportedValue"),
        ({"filters": [{"type": "ExtensionRef"}]}, "UnsupportedValue"),
        ({"filters": [{"type": "URLRewrite"}, {"type": "RequestRedirect"}]}, "IncompatibleFilters"),
        ({"backendRefs": [{"name": "a", "filters": [{"type": "RequestRedirect"}]}]}, "UnsupportedValue"),
        ({"matches": [{"path": {"type": "Exact", "value": "/a\nb"}}]}, "UnsupportedValue"),
        ({"matches": [{"headers": [{"name": "a,b", "value": "x"}]}]}, "UnsupportedValue"),
        ({"matches": [{"headers": [{"name": "a", "value": "x\0"}]}]}, "UnsupportedValue"),
        (
            {"matches": [{"queryParams": [{"name": "a", "type": "RegularExpression", "value": "("}]}]},
            "UnsupportedValue",
        ),
        ({"matches": [{"method": "EAT"}]}, "UnsupportedValue"),
        ({"timeouts": {"request": "2d"}}, "UnsupportedValue"),
        ({"retry": {"attempts": 2}}, "UnsupportedValue"),
        ({"sessionPersistence": {}}, "UnsupportedValue"),
        (
            {
                "filters": [
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "\r"}]}}
                ]
            },
            "UnsupportedValue",
        ),
        ({"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 399}}]}, "UnsupportedValue"),
        ({"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "a b"}}]}, "UnsupportedValue"),
    ],
)
def test_what_a_rule_may_ask_for(rule: dict[str, Any], reason: str) -> None:
    found = unsupported(from_dict(RouteRule, rule))
    assert ("" if found is None else found.reason) == reason


# --- listeners ---


def gateway(name: str, *listeners: dict[str, Any], age: int = 0) -> Gateway:
    meta = {"name": name, "namespace": "d", "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    return from_dict(Gateway, {"metadata": meta, "spec": {"gatewayClassName": "w", "listeners": listeners}})


def listener(name: str, port: int, protocol: str = "HTTP", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, **more}


def judged(*gateways: Gateway, **more: Any) -> dict[str, Judged]:
    classes = {"w": GatewayClass(spec=GatewayClassSpec(controller_name=CONTROLLER))}
    world = World(classes=classes, gateways={key_of(one): one for one in gateways}, **more)
    return {f"{key.name}/{one.listener.name}": one for key, found in judge(world).items() for one in found}


def test_listeners_of_one_port_agree_about_its_protocol() -> None:
    tls = {"certificateRefs": [{"name": "s"}]}
    found = judged(
        gateway("young", listener("a", 8080), listener("b", 8443), age=9),
        gateway("old", listener("a", 8443, "HTTPS", tls=tls), age=1),
        gateway("odd", listener("a", 9000), listener("b", 9000, "HTTPS", tls=tls), listener("c", 9001), age=2),
        gateway("twice", listener("a", 9002, hostname="x.test"), listener("b", 9002, hostname="X.test"), age=2),
    )
    assert {name: (one.conflicted.reason, one.served) for name, one in found.items()} == {
        "old/a": ("NoConflicts", True),
        "odd/a": ("ProtocolConflict", False),
        "odd/b": ("ProtocolConflict", False),
        "odd/c": ("NoConflicts", True),
        "twice/a": ("HostnameConflict", False),
        "twice/b": ("HostnameConflict", False),
        "young/a": ("NoConflicts", True),
        "young/b": ("ProtocolConflict", False),
    }


def test_ports_that_cannot_be_had() -> None:
    tls = {"certificateRefs": [{"name": "s"}]}
    found = judged(
        gateway("g", listener("a", 80), listener("b", 443), listener("c", 30080), listener("d", 81)), taken={30080: "x"}
    )
    assert [one.accepted.reason for one in found.values()] == [
        "Accepted",
        "PortUnavailable",
        "PortUnavailable",
        "Accepted",
    ]
    (only,) = judged(gateway("g", listener("a", 80, "HTTPS", tls=tls))).values()
    assert only.accepted.reason == "PortUnavailable"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, None),
        ({"infrastructure": {"labels": {"a": "b"}}}, None),
        ({"infrastructure": {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "x"}}}, "InvalidParameters"),
        ({"addresses": [{"type": "Hostname", "value": "x.test"}]}, "UnsupportedAddress"),
        ({"tls": {"frontend": {"default": {"validation": {}}}}}, "Invalid"),
    ],
)
def test_gateways_that_are_refused(spec: dict[str, Any], reason: str | None) -> None:
    """Nothing of them is served: a listener that asks for clients' certificates must not do without."""
    base = {"gatewayClassName": "w", "listeners": [listener("a", 80)]}
    made = from_dict(Gateway, {"metadata": {"name": "g", "namespace": "d"}, "spec": {**base, **spec}})
    found = refused(made)
    assert (None if found is None else found.reason) == reason
    (only,) = judged(made).values()
    assert only.served is (reason is None)
    assert only.programmed.true is (reason is None)


@pytest.mark.parametrize(
    ("ref", "reason", "secrets"),
    [
        ({"name": "s"}, "ResolvedRefs", [Key("d", "s")]),
        ({"name": "broken"}, "InvalidCertificateRef", []),
        ({"name": "s", "kind": "Sack"}, "InvalidCertificateRef", []),
        ({"name": "s", "group": "x.test"}, "InvalidCertificateRef", []),
        ({"name": "s", "namespace": "e"}, "RefNotPermitted", []),
        ({"name": "t", "namespace": "f"}, "ResolvedRefs", [Key("f", "t")]),
        ({"name": "u", "namespace": "f"}, "RefNotPermitted", []),
    ],
)
def test_certificates(ref: dict[str, str], reason: str, secrets: list[Key]) -> None:
    comes = {"group": GROUP, "kind": "Gateway", "namespace": "d"}
    to = {"group": "", "kind": "Secret", "name": "t"}
    grant = from_dict(
        ReferenceGrant, {"metadata": {"name": "g", "namespace": "f"}, "spec": {"from": [comes], "to": [to]}}
    )
    (found,) = judged(
        gateway("g", listener("a", 443, "HTTPS", tls={"certificateRefs": [ref]})),
        secrets={Key("d", "broken"): "tls.crt is missing or empty"},
        grants=by_namespace([grant]),
    ).values()
    assert (found.resolved.reason, list(found.secrets), found.served) == (reason, secrets, bool(secrets))
