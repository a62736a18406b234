"""How expressions see objects of built-in kinds."""

from __future__ import annotations

from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.api.types.core import Pod, Secret
from wherry.apiserver.admission.policies.views import seen, struct_type
from wherry.machinery import codec
from wherry.machinery.cel.values import Timestamp


def test_times_and_bytes_are_what_they_are() -> None:
    raw = {
        "metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:00:01Z", "labels": {"a": "b"}},
        "data": {"k": "aGk="},
    }
    secret = codec.from_dict(Secret, raw)
    shown = seen(codec.to_dict(secret), secret)
    assert shown["metadata"]["creationTimestamp"] == Timestamp(10**9)
    assert shown["metadata"]["labels"] == {"a": "b"}
    assert shown["data"] == {"k": b"hi"}


def test_times_deep_inside_are_found() -> None:
    status = {"containerStatuses": [{"name": "c", "state": {"running": {"startedAt": "1970-01-01T00:00:02Z"}}}]}
    pod = codec.from_dict(Pod, {"metadata": {"name": "a"}, "status": status})
    shown = seen(codec.to_dict(pod), pod)
    assert shown["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] == Timestamp(2 * 10**9)


def test_types_that_hold_themselves_end() -> None:
    assert not struct_type(CustomResourceDefinition).plain


def test_nothing_is_nothing() -> None:
    assert seen(None, None) is None
    assert seen({"a": "b"}, object()) == {"a": "b"}
