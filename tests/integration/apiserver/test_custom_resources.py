"""Custom resources over HTTPS: from definition to instance and back."""

from __future__ import annotations

from typing import Any

from tests.integration.apiserver.conftest import Http
from tests.support.definitions import (
    PATH,
    condition,
    defined,
    definition,
    eventually,
    foo,
    foos,
    spec_of,
    until,
    version,
)

SCHEMA = spec_of(
    {
        "x": {"type": "integer", "minimum": 1, "maximum": 10},
        "m": {"type": "string", "enum": ["a", "b"]},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "replicas": {"type": "integer", "default": 1},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {"port": {"type": "integer"}, "name": {"type": "string"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "either": {"x-kubernetes-int-or-string": True},
        "no": {"type": "string", "nullable": True},
    },
    required=["x"],
)
SUBRESOURCES = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
}


async def test_an_instance_lives(http: Http) -> None:
    crd = await defined(http, definition(version(schema=SCHEMA, subresources=SUBRESOURCES)))
    assert crd["status"]["storedVersions"] == ["v1"]
    assert condition(crd, "NamesAccepted")["reason"] == "NoConflicts"
    assert crd["status"]["acceptedNames"] == {
        "kind": "Foo", "listKind": "FooList", "plural": "foos", "singular": "foo",
    }  # fmt: skip
    sent = foo(spec={"x": 5, "any": {"big": 1 << 53, "f": 1.5, "null": None}, "either": "80%", "no": None})
    made = await http("POST", foos(), sent)
    assert made.code == 201, made.body
    assert made.body["spec"] == {**sent["spec"], "replicas": 1}
    assert made.body["metadata"]["generation"] == 1
    found = await http("GET", foos("a"))
    assert found.body == made.body
    listed = await http("GET", foos())
    assert (listed.body["kind"], listed.body["items"]) == ("FooList", [made.body])
    made.body["spec"]["x"] = 6
    changed = await http("PUT", foos("a"), made.body)
    assert (changed.code, changed.body["metadata"]["generation"]) == (200, 2)
    changed.body["status"] = {"replicas": 3}
    ignored = await http("PUT", foos("a"), changed.body)
    assert "status" not in ignored.body
    told = await http("PUT", foos("a") + "/status", {**changed.body, "spec": {"x": 9}})
    assert (told.body["status"], told.body["spec"]["x"], told.body["metadata"]["generation"]) == ({"replicas": 3}, 6, 2)
    patch = await http("PATCH", foos("a"), {"spec": {"m": "b", "x": 7}}, "application/merge-patch+json")
    assert patch.body["spec"]["m"] == "b"
    gone = await http("DELETE", foos("a"))
    assert gone.body["status"] == "Success"
    assert (await http("GET", foos("a"))).code == 404


async def test_what_is_wrong_is_said_as_upstream_says_it(http: Http) -> None:
    await defined(http, definition(version(schema=SCHEMA)))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"x": "5"}, 'spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"'),
        ({"x": 0}, "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"),
        ({"x": 11}, "spec.x: Invalid value: 11: spec.x in body should be less than or equal to 10"),
        ({"x": 1, "m": "c"}, 'spec.m: Unsupported value: "c": supported values: "a", "b"'),
        ({}, "spec.x: Required value"),
        ({"x": 1, "name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"x": 1, "name": "abcdef"}, "spec.name: Too long: may not be more than 5 bytes"),
        ({"x": 1, "tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"'),
        ({"x": 1, "ports": [{"port": 1}, {"port": 1}]}, 'spec.ports[1]: Duplicate value: {"port":1}'),
        ({"x": 1, "ports": [{}]}, "spec.ports[0].port: Required value"),
        ({"x": 1, "either": True},
         'spec.either: Invalid value: "boolean": spec.either in body must be of type integer,string: "boolean"'),
    ]  # fmt: skip
    for spec, text in cases:
        refused = await http("POST", foos(), foo(spec=spec))
        assert (refused.code, refused.message) == (422, f'Foo.example.com "a" is invalid: {text}')


async def test_unknown_and_duplicate_fields(http: Http) -> None:
    await defined(http, definition(version(schema=SCHEMA)))
    body = b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"a","odd":1},"spec":{"x":1,"x":2,"y":3}}'
    strict = await http("POST", foos() + "?fieldValidation=Strict", body)
    assert strict.message == (
        'Foo in version "v1" cannot be handled as a Foo: strict decoding error: duplicate field "spec.x", '
        'unknown field "metadata.odd", unknown field "spec.y"'
    )
    warned = await http("POST", foos(), body)
    assert warned.code == 201
    assert warned.headers.getall("Warning") == [  # type: ignore[attr-defined] # a CIMultiDict
        '299 - "duplicate field \\"spec.x\\""', '299 - "unknown field \\"metadata.odd\\""',
        '299 - "unknown field \\"spec.y\\""',
    ]  # fmt: skip
    assert warned.body["spec"] == {"x": 2, "replicas": 1}


async def test_what_has_not_changed_is_not_judged_again(http: Http) -> None:
    await defined(http, definition(version(schema=spec_of({"a": {"type": "string"}, "b": {"type": "string"}}))))
    await http("POST", foos(), foo(spec={"a": "long", "b": "x"}))
    crd = (await http("GET", f"{PATH}/foos.example.com")).body
    tighter = spec_of({"a": {"type": "string", "maxLength": 2}, "b": {"type": "string", "maxLength": 2}})
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = tighter
    assert (await http("PUT", f"{PATH}/foos.example.com", crd)).code == 200
    merge = "application/merge-patch+json"

    async def refused_now() -> bool:
        return (await http("PATCH", foos("a"), {"spec": {"b": "yyy"}}, merge)).code == 422

    await eventually(refused_now)
    assert (await http("PATCH", foos("a"), {"spec": {"b": "y"}}, merge)).code == 200
    refused = await http("PATCH", foos("a"), {"spec": {"a": "longer"}}, merge)
    assert refused.code == 422


async def test_older_instances_are_shown_with_later_defaults(http: Http) -> None:
    await defined(http, definition(version(schema=spec_of({"a": {"type": "string"}, "old": {"type": "string"}}))))
    await http("POST", foos(), foo(spec={"a": "x", "old": "y"}))
    crd = (await http("GET", f"{PATH}/foos.example.com")).body
    newer = spec_of({"a": {"type": "string"}, "new": {"type": "integer", "default": 7}})
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = newer
    await http("PUT", f"{PATH}/foos.example.com", crd)

    async def seen() -> bool:
        return bool((await http("GET", foos("a"))).body["spec"] == {"a": "x", "new": 7})

    await eventually(seen)
    assert (await http("GET", foos())).body["items"][0]["spec"] == {"a": "x", "new": 7}


async def test_a_definition_takes_its_instances_with_it(http: Http) -> None:
    await defined(http, definition())
    await http("POST", foos(), foo("a"))
    held = foo("b")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await http("POST", foos(), held)
    await http("DELETE", f"{PATH}/foos.example.com")
    await until(http, "foos.example.com", lambda crd: condition(crd, "Terminating").get("status") == "True")
    refused = await http("POST", foos(), foo("c"))
    assert refused.code == 405
    assert "create not allowed while custom resource definition is terminating" in refused.message
    assert (await http("GET", foos("b"))).code == 200
    await http("PATCH", foos("b"), {"metadata": {"finalizers": None}}, "application/merge-patch+json")

    async def ended() -> bool:
        return (await http("GET", f"{PATH}/foos.example.com")).code == 404

    await eventually(ended)
    assert (await http("GET", foos())).code == 404
    again = definition()
    await defined(http, again)
    assert (await http("GET", foos())).body["items"] == []


async def test_names_belong_to_who_had_them_first(http: Http) -> None:
    await defined(http, definition())
    other = definition(kind="Bar")
    other["spec"]["names"]["kind"] = "Foo"
    await http("POST", PATH, other)
    lost = await until(http, "bars.example.com", lambda crd: bool(condition(crd, "NamesAccepted")))
    assert condition(lost, "NamesAccepted")["reason"] == "ListKindConflict"
    assert condition(lost, "Established")["reason"] == "NotAccepted"
    await http("DELETE", f"{PATH}/foos.example.com")
    won = await until(http, "bars.example.com", lambda crd: condition(crd, "Established").get("status") == "True")
    assert condition(won, "NamesAccepted")["status"] == "True"


async def test_scale(http: Http) -> None:
    await defined(http, definition(version(schema=SCHEMA, subresources=SUBRESOURCES)))
    made = await http("POST", foos(), foo(spec={"x": 1, "replicas": 2}))
    made.body["status"] = {"replicas": 2, "selector": "app=x"}
    await http("PUT", foos("a") + "/status", made.body)
    scale = (await http("GET", foos("a") + "/scale")).body
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 2, "selector": "app=x"})
    scale["spec"]["replicas"] = 5
    assert (await http("PUT", foos("a") + "/scale", scale)).body["spec"] == {"replicas": 5}
    assert (await http("GET", foos("a"))).body["spec"]["replicas"] == 5
    refused = await http("PATCH", foos("a"), {"spec": {"replicas": -1}}, "application/merge-patch+json")
    assert refused.message.endswith(".spec.replicas: Invalid value: -1: should be a non-negative integer")


async def test_an_update_must_say_what_it_replaces(http: Http) -> None:
    await defined(http, definition())
    await http("POST", foos(), foo())
    refused = await http("PUT", foos("a"), foo())
    assert refused.message == (
        'foos.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )


async def test_apply_follows_the_schema(http: Http) -> None:
    await defined(http, definition(version(schema=SCHEMA)))
    apply = "application/apply-patch+yaml"
    one = foo(spec={"x": 1, "ports": [{"port": 1, "name": "a"}], "tags": ["t1"]})
    made = await http("PATCH", foos("a") + "?fieldManager=one", one, apply)
    assert made.code == 201, made.body
    two = foo(spec={"ports": [{"port": 2, "name": "b"}], "tags": ["t2"]})
    both = await http("PATCH", foos("a") + "?fieldManager=two", two, apply)
    assert both.body["spec"]["tags"] == ["t1", "t2"]
    assert [p["port"] for p in both.body["spec"]["ports"]] == [1, 2]
    owned = {e["manager"]: e["fieldsV1"] for e in both.body["metadata"]["managedFields"]}
    assert owned["two"]["f:spec"]["f:ports"] == {'k:{"port":2}': {".": {}, "f:port": {}, "f:name": {}}}
    clash = await http("PATCH", foos("a") + "?fieldManager=two", foo(spec={"x": 2}), apply)
    assert clash.message == 'Apply failed with 1 conflict: conflict with "one": .spec.x'
    unknown = await http("PATCH", foos("a") + "?fieldManager=two", foo(spec={"zzz": 2}), apply)
    assert unknown.message.endswith(".spec.zzz: field not declared in schema")
    fewer = await http("PATCH", foos("a") + "?fieldManager=two", foo(spec={"tags": ["t2"]}), apply)
    assert [p["port"] for p in fewer.body["spec"]["ports"]] == [1]


async def test_unknown_fields_at_the_root(http: Http) -> None:
    await defined(http, definition())
    made = await http("POST", foos(), foo(a={"b": [{"c": "d"}]}, class_=1, spec=None))
    assert made.code == 201, made.body
    assert (made.body["a"], made.body["class_"], made.body["spec"]) == ({"b": [{"c": "d"}]}, 1, None)
    changed = await http("PATCH", foos("a"), {"a": None, "z": 1}, "application/merge-patch+json")
    assert changed.body["metadata"]["generation"] == 2
    assert "a" not in changed.body
    assert (await http("GET", foos("a"))).body == changed.body
