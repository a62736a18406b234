"""Real requests through a real HAProxy: matches and their order, filters, shares, and words that try to get out."""

from __future__ import annotations

import asyncio
import http.client
from collections import Counter
from typing import Any

import pytest

from tests.host.network.gateway_entry import OWN_ADDRESS, SEEN, Entry, Json, backends, entry, path, port, route, rule
from wherry.api.gateway.kinds import HTTPRoute
from wherry.api.gateway.support import unsupported
from wherry.api.networking.ingress_claims import Place
from wherry.api.types.networking import Ingress
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import Time
from wherry.network.ingress.backends import Backend, Options

__all__ = ("backends", "entry")
pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]


async def test_matches_and_their_order(entry: Entry) -> None:
    header = {"headers": [{"name": "Version", "value": "two"}]}
    await entry.show(
        route(
            "r",
            rule("one", path("/")),
            rule("two", path("/two"), {**path("/"), **header}),
            rule("three", path("/two", "Exact"), {**path("/two"), "method": "PUT"}),
            rule(
                "one",
                {"queryParams": [{"name": "animal", "value": "a whale"}]},
                path("/n/[0-9]{1,3}", "RegularExpression"),
            ),
            rule("three", {"headers": [{"name": "Color", "type": "RegularExpression", "value": "blue|green"}]}),
            rule("two", {"method": "DELETE"}),
        )
    )
    expected = {
        ("/",): "one",
        ("/x/y",): "one",
        ("/two",): "three",
        ("/two/",): "two",
        ("/two/x",): "two",
        ("/twofold",): "one",
        ("/n/12",): "one",
        ("/n/1234",): "one",
    }
    assert {asked: entry.who(*asked) for asked in expected} == expected
    assert entry.who("/two/x", method="PUT") == "three"
    assert entry.who("/x", method="DELETE") == "two"
    assert entry.who("/x", Version="two") == "two"
    assert entry.who("/two", Version="two") == "three", "an exact path goes before a header"
    assert [entry.who("/x", Color=color) for color in ("green", "greenish")] == ["three", "one"]
    assert entry.who("/x?animal=a+whale", Color="blue") == "three", "a header goes before a parameter"
    assert entry.who("/x?animal=a%20whale") == "one"


async def test_hosts_and_ports(entry: Entry) -> None:
    other = port()
    listeners = [
        {"name": "any", "port": entry.shape.http, "protocol": "HTTP"},
        {"name": "wild", "port": entry.shape.http, "protocol": "HTTP", "hostname": "*.w.test"},
        {"name": "named", "port": entry.shape.http, "protocol": "HTTP", "hostname": "x.w.test"},
        {"name": "other", "port": other, "protocol": "HTTP"},
    ]
    await entry.show(
        route("a", rule("one"), parentRefs=[{"name": "g", "sectionName": "any"}]),
        route("l", rule("one"), parentRefs=[{"name": "g", "sectionName": "any"}], hostnames=["x.w.test"]),
        route("w", rule("two"), parentRefs=[{"name": "g", "sectionName": "wild"}]),
        route("b", rule("three"), parentRefs=[{"name": "g", "port": entry.shape.http}], hostnames=["b.w.test"]),
        listeners=listeners,
    )
    hosts = ("q.test", "w.test", "y.w.test", "z.y.w.test", "B.w.test:80", "x.w.test")
    assert [entry.who(host=host) for host in hosts] == ["one", "one", "two", "two", "three", 404]
    connection = http.client.HTTPConnection("127.0.0.1", other, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 404, "nothing is attached there"
    connection.close()


async def test_filters(entry: Entry) -> None:
    odd = "a \"b\" 'c' %d %[src] $HOME #x \\ {} ;"
    request = {
        "set": [{"name": "X-Set", "value": odd}], "add": [{"name": "X-Add", "value": "more"}], "remove": ["X-Gone"]
    }  # fmt: skip
    answer = {"set": [{"name": "X-Answer", "value": odd}], "remove": ["X-Server"]}

    def moved(**change: Any) -> list[Json]:
        return [{"type": "URLRewrite", "urlRewrite": change}]

    def sent(**change: Any) -> list[Json]:
        return [{"type": "RequestRedirect", "requestRedirect": change}]

    def prefix(value: str) -> Json:
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}

    headers = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": request},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": answer},
    ]
    await entry.show(
        route(
            "r",
            rule("one", path("/headers"), filters=headers),
            rule(
                "one",
                path("/whole"),
                filters=moved(hostname="n.test", path={"type": "ReplaceFullPath", "replaceFullPath": "/new"}),
            ),
            rule("one", path("/pre"), filters=moved(path=prefix("/xyz/"))),
            rule("one", path("/none"), filters=moved(path=prefix("/"))),
            rule(None, path("/sent"), filters=sent(hostname="s.test", statusCode=301)),
            rule(None, path("/scheme"), filters=sent(scheme="https", path=prefix("/q"), statusCode=308)),
            rule(None, path("/port"), filters=sent(port=8443)),
        )
    )
    _, echoed, headers_back = entry.ask("/headers", X_Gone="1", X_Add="some", X_Set="old")
    got = echoed["headers"]
    assert (got["x-set"], got["x-add"], "x-gone" in got) == (odd, "more", False)
    assert headers_back["x-answer"] == odd
    assert "x-server" not in headers_back
    _, echoed, _ = entry.ask("/whole/x?a=1")
    assert (echoed["path"], echoed["headers"]["host"]) == ("/new?a=1", "n.test")
    table = {
        "/pre": "/xyz", "/pre/": "/xyz/", "/pre/a?b=c": "/xyz/a?b=c", "/none": "/", "/none/": "/", "/none/a": "/a"
    }  # fmt: skip
    assert {asked: entry.ask(asked)[1]["path"] for asked in table} == table
    answers = {asked: entry.ask(asked) for asked in ("/sent/x?y=1", "/scheme/x", "/port/z")}
    assert {asked: (status, back["location"]) for asked, (status, _, back) in answers.items()} == {
        "/sent/x?y=1": (301, f"http://s.test:{entry.shape.http}/sent/x?y=1"),
        "/scheme/x": (308, "https://a.test/q/x"),
        "/port/z": (302, "http://a.test:8443/port/z"),
    }


async def test_cross_origin_requests(entry: Entry) -> None:
    def cors(**said: Any) -> list[Json]:
        return [{"type": "CORS", "cors": said}]

    named = cors(
        allowOrigins=["https://www.foo.test", "https://*.bar.test", "http://p.test:8080"],
        allowMethods=["GET", "PUT"], allowHeaders=["x-one", "x-two"], exposeHeaders=["x-three"],
        allowCredentials=True, maxAge=60,
    )  # fmt: skip
    anybody = cors(allowOrigins=["*"], allowMethods=["*"], allowHeaders=["*"], exposeHeaders=["*"])
    await entry.show(
        route("r", rule("one", path("/named"), filters=named), rule("one", path("/any"), filters=anybody))
    )  # fmt: skip

    def preflight(asked: str, origin: str, **more: str) -> tuple[int, dict[str, str]]:
        method = {"Access_Control_Request_Method": "PUT", **more}
        status, _, back = entry.ask(asked, method="OPTIONS", Origin=origin, **method)
        return status, {name.removeprefix("access-control-"): value for name, value in back.items()}

    status, said = preflight("/named", "https://www.foo.test")
    assert (status, said) == (
        204,
        {
            "allow-origin": "https://www.foo.test", "allow-credentials": "true", "expose-headers": "x-three",
            "vary": "Origin", "allow-methods": "GET, PUT", "allow-headers": "x-one, x-two", "max-age": "60",
        },
    )  # fmt: skip
    status, said = preflight("/any", "null", Access_Control_Request_Headers="x-a, x-b")
    assert (status, said["allow-origin"], said["allow-methods"], said["allow-headers"], said["expose-headers"]) == (
        204, "null", "PUT", "x-a, x-b", "*"
    )  # fmt: skip
    assert "allow-headers" not in preflight("/any", "null")[1]
    assert preflight("/named", "https://evil.test") == (204, {"vary": "Origin"})
    table = {
        "https://www.foo.test": True, "https://www.foo.test:443": True, "HTTPS://WWW.FOO.TEST": True,
        "https://a.b.bar.test": True, "http://p.test:8080": True, "https://bar.test": False, "https://xbar.test": False,
        "http://www.foo.test": False, "https://www.foo.test:8443": False, "https://www.foo.test.evil.test": False,
        "https://evil.test/.bar.test": False, "http://p.test": False, "https://wwwxfoo.test": False,
    }  # fmt: skip
    for origin, allowed in table.items():
        status, echoed, back = entry.ask("/named", Origin=origin)
        assert (status, echoed["name"], back.get("access-control-allow-origin")) == (
            200, "one", origin if allowed else None
        ), origin  # fmt: skip
        assert back.get("access-control-allow-credentials") == ("true" if allowed else None)
    status, echoed, _ = entry.ask("/named", method="OPTIONS", Origin="https://www.foo.test")
    assert (status, echoed["method"]) == (200, "OPTIONS"), "no preflight request without a method"


async def test_copies(entry: Entry) -> None:
    def to(name: str, **share: Any) -> Json:
        return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}

    edit = {"set": [{"name": "X-Set", "value": "here"}], "remove": ["X-Gone"]}
    edits = [{"type": "RequestHeaderModifier", "requestHeaderModifier": edit}]
    await entry.show(route("r", rule("one", path("/"))))
    await entry.show(
        route(
            "r",
            rule("one", path("/both"), filters=[*edits, to("two"), to("three")]),
            rule("one", path("/half"), filters=[to("two", percent=50)]),
            rule("one", path("/some"), filters=[to("three", fraction={"numerator": 1, "denominator": 1000000})]),
            rule("one", path("/nobody"), filters=[to("empty"), to("missing")]),
        )
    )
    SEEN.clear()

    async def seen(name: str, count: int) -> list[tuple[str, str, dict[str, str], bytes]]:
        for _ in range(100):
            if len(SEEN.get(name, ())) >= count:
                break
            await asyncio.sleep(0.02)
        return SEEN.pop(name, [])

    forged = {"X-Wherry-Mirror": "http-0", "X-Wherry-Method": "DELETE", "X-Forwarded-For": "9.9.9.9", "X-Empty": ""}
    assert entry.ask("/both/x?a=1&b=%20", host="m.test", X_Gone="1", **forged)[1]["name"] == "one"
    for name in ("two", "three"):
        ((method, asked, headers, _),) = await seen(name, 1)
        assert (method, asked, headers["host"], headers["x-set"]) == ("GET", "/both/x?a=1&b=%20", "m.test", "here")
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert not {"x-gone", "x-wherry-mirror", "x-wherry-method"} & headers.keys()
    for method, body in (("POST", "a body"), ("PATCH", "x" * 14_000), ("DELETE", "")):
        entry.ask("/both", method=method, body=body)
        ((got, _, _, copied),) = await seen("two", 1)
        assert (got, copied) == (method, body.encode())
    SEEN.clear()
    assert entry.ask("/both", method="POST", body="x" * 40_000)[0] == 200, "what is too large is not copied"
    assert entry.ask("/nobody")[0] == 200
    for _ in range(200):
        entry.ask("/half")
        entry.ask("/some")
    await asyncio.sleep(0.3)
    assert 60 <= len(await seen("two", 0)) <= 140
    assert len(SEEN.pop("three", ())) < 3
    assert len(SEEN["one"]) == 402
    await entry.show(route("r", rule("one", path("/again"), filters=[to("two")])))
    assert entry.ask("/again")[0] == 200
    ((_, asked, _, _),) = await seen("two", 1)
    assert asked == "/again", "the socket is another worker's now"


async def test_shares_and_backends_that_are_not_there(entry: Entry) -> None:
    def share(*weights: tuple[str, int]) -> Json:
        return {"backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in weights]}

    await entry.show(
        route("s", share(("one", 90), ("two", 10), ("three", 0)), hostnames=["s.test"]),
        route("m", share(("one", 1), ("missing", 1)), hostnames=["m.test"]),
        route("z", share(("one", 0)), hostnames=["z.test"]),
        route("n", rule(None), hostnames=["n.test"]),
        route("e", rule("empty"), hostnames=["e.test"]),
    )
    counts = Counter(entry.who(host="s.test") for _ in range(400))
    assert set(counts) == {"one", "two"}
    assert 330 <= counts["one"] <= 390
    assert set(Counter(entry.who(host="m.test") for _ in range(60))) == {"one", 500}
    assert [entry.who(host=host) for host in ("z.test", "n.test", "e.test")] == [500, 500, 503]


async def test_an_ingress_keeps_what_it_has(entry: Entry) -> None:
    """And a Gateway takes what is more exact, or left."""
    ingress = Backend(Key("d", "one"), "80", Options())
    entry.ingress = {Place("a.test", "prefix", "/in/"): ingress, Place("", "prefix", "/rest/"): ingress}
    await entry.show(route("r", rule("two")), route("x", rule("three"), hostnames=["x.test"]))
    expected = {
        ("/in/x", "a.test"): "one",
        ("/rest", "a.test"): "two",
        ("/rest", "b.test"): "one",
        ("/other", "b.test"): "two",
        ("/rest", "x.test"): "three",
    }
    assert {asked: entry.who(*asked) for asked in expected} == expected


async def test_who_had_the_host_first_is_asked_first(entry: Entry) -> None:
    """A younger Ingress takes nothing that a route has; it is told, and gets what the route does not answer."""
    ingress = Backend(Key("d", "one"), "80", Options())
    places = [
        Place("a.test", "prefix", "/x/"), Place("a.test", "exact", "/y"), Place("*.w.test", "prefix", "/"),
        Place("*.z.w.test", "prefix", "/"), Place("", "prefix", "/"), Place("b.test", "prefix", "/"),
    ]  # fmt: skip
    entry.ingress = dict.fromkeys(places, ingress)

    def owned(second: int) -> None:
        meta = ObjectMeta(name="i", namespace="d", creation_timestamp=Time(f"2026-01-01T00:00:{second:02}Z"))
        entry.owners = dict.fromkeys(places, Ingress(metadata=meta))

    header = {**path("/x"), "headers": [{"name": "A", "value": "1"}]}
    routes = (
        route("r", rule("two", path("/x"), header), age=5, hostnames=["a.test"]),
        route("p", rule("two", path("/x")), age=5, hostnames=["b.test"]),
        route("w", rule("two"), age=5, hostnames=["*.w.test"]),
        route("any", rule("two"), age=5),
    )
    asked = [
        ("/x/1", "a.test"), ("/y", "a.test"), ("/x", "b.test"), ("/y", "b.test"),
        ("/", "v.w.test"), ("/", "u.v.w.test"), ("/", "v.z.w.test"), ("/", "q.test"),
    ]  # fmt: skip
    owned(9)
    await entry.show(*routes)
    assert [entry.who(*one) for one in asked] == ["two", "one", "two", "one", "two", "two", "one", "two"]
    at = f"on port {entry.shape.http}, who had the host first"
    expected = {"a.test/x/": "r", "*.w.test/": "w", "*/": "any"}
    assert sorted(entry.problems[Key("d", "i")]) == sorted(
        f"{what} is served by the HTTPRoute d/{who} {at}" for what, who in expected.items()
    )
    owned(1)
    await entry.show(*routes)
    assert [entry.who(*one) for one in asked] == ["one", "one", "one", "one", "one", "two", "one", "one"]
    assert entry.problems == {}


async def test_a_gateway_with_an_address_of_its_own(entry: Entry) -> None:
    """Nobody else is asked there, and it is asked nowhere else."""
    entry.ingress = {
        Place("a.test", "prefix", "/"): Backend(Key("d", "three"), "80", Options()),
        Place("", "prefix", "/any/"): Backend(Key("d", "three"), "80", Options()),
    }
    own = [{"name": "own"}]
    edit = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x", "value": "y"}]}}]
    await entry.show(
        route("g", rule("one")),
        route("o", rule("two", path("/in")), parentRefs=own),
        route("m", rule("two"), parentRefs=own, hostnames=["m.test"]),
        route("w", rule("two", filters=edit), parentRefs=own, hostnames=["*.w.test"]),
    )
    both = {
        (asked, host): (entry.who(asked, host), entry.who(asked, host, at=OWN_ADDRESS))
        for asked, host in (
            ("/in", "a.test"),
            ("/in", "b.test"),
            ("/any/x", "b.test"),
            ("/", "m.test"),
            ("/", "x.w.test"),
        )
    }
    assert both == {
        ("/in", "a.test"): ("three", "two"),
        ("/in", "b.test"): ("one", "two"),
        ("/any/x", "b.test"): ("three", 404),
        ("/", "m.test"): ("one", "two"),
        ("/", "x.w.test"): ("one", "two"),
    }
    began = entry.began
    await entry.show(
        route("g", rule("one")),
        route("m", rule("one"), parentRefs=own, hostnames=["m.test"]),
        route("w", rule("two", filters=edit), parentRefs=own, hostnames=["*.w.test"]),
    )
    assert (entry.who(host="m.test", at=OWN_ADDRESS), entry.began) == ("one", began), "in the running process"


async def test_plain_routes_change_in_the_running_process(entry: Entry) -> None:
    routes = [route(f"r{n}", rule("one", path("/a"), path("/b", "Exact")), hostnames=[f"h{n}.test"]) for n in range(20)]
    await entry.show(*routes[:1])
    began = entry.began
    for n in range(2, 21):
        await entry.show(*routes[:n])
    assert entry.began == began
    assert [entry.who(asked, f"h{n}.test") for n in (0, 19) for asked in ("/a/x", "/b", "/b/c")] == [
        "one",
        "one",
        404,
    ] * 2
    await entry.show(*routes[1:])
    assert (entry.who("/a", "h0.test"), entry.who("/a", "h1.test")) == (404, "one")


WORDS = (
    "x\nbackend evil", "x backend evil",
    "x\r", "\0", '"', "'", "}", "{", "\\", "%[env(HOME)]", "$HOME", "#", "-f", "--", " a b ", "\x7f",
    "é", "`id`", "a;b", "\\x41", "x" * 4096, "%" * 300, ",", "(", ")", "!", "|", "if TRUE",
)  # fmt: skip


async def test_no_word_gets_out(entry: Entry) -> None:
    """Whatever stands in a route, the configuration is valid and means it; or the rule is refused before."""
    rules = []
    for number, word in enumerate(WORDS):
        edit = {"set": [{"name": "X-Word", "value": word}]}
        rules += [
            rule("one", {"headers": [{"name": "X-Match", "value": word}, {"name": "N", "value": str(number)}]},
                 filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": edit}]),
            rule("two", path(f"/{word}", "Exact")),
            rule("two", path(word, "RegularExpression")),
            rule("two", {"queryParams": [{"name": "q", "value": word}]}),
            rule("two", {"headers": [{"name": word, "value": "x"}]}),
            rule("two", path(f"/r{number}"), filters=[{"type": "URLRewrite", "urlRewrite": {
                "hostname": word, "path": {"type": "ReplaceFullPath", "replaceFullPath": f"/{word}"}}}]),
            rule(None, path(f"/s{number}"), filters=[{"type": "RequestRedirect", "requestRedirect": {
                "hostname": "s.test", "path": {"type": "ReplaceFullPath", "replaceFullPath": f"/{word}"}}}]),
        ]  # fmt: skip
    routes = [route(f"r{n}", *rules[n * 14 : n * 14 + 14]) for n in range(-(-len(rules) // 14))]
    await entry.show(*routes)
    written = entry.shape.file.read_text()
    assert "x\\x20backend\\x20evil" in written
    assert "backend evil" not in written
    assert "HOME" in written
    assert "$HOME" not in written
    assert "%[env" not in written
    tried = 0
    for number, word in enumerate(WORDS):
        if unsupported(from_dict(HTTPRoute, route("x", rules[number * 7])).spec.rules[0]) is not None:
            continue
        if word != word.strip() or len(word) > 2000:  # a header's value has no such ends, and HAProxy's buffer one
            continue
        status, echoed, _ = entry.ask("/nowhere", X_Match=word, N=str(number))
        assert (status, echoed["headers"]["x-word"]) == (200, word)
        tried += 1
    assert tried >= 15
