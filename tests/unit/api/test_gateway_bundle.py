"""The definitions that come with wherry: valid, marked, and never written over what others brought."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from wherry.api.apiextensions import definition_validation
from wherry.api.apiextensions.customresourcedefinition import default, validate, warn
from wherry.api.gateway.bundle import (
    CHANNEL_NOTE,
    GROUP,
    OURS,
    PLURALS,
    VERSION,
    VERSION_NOTE,
    comes_with_wherry,
    load,
    merged,
    supported,
    to_write,
)
from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.machinery.codec import encode


def noted(**notes: str) -> CustomResourceDefinition:
    crd = load()[0]
    names = {"ours": OURS, "version": VERSION_NOTE, "channel": CHANNEL_NOTE}
    return replace(
        crd, metadata=replace(crd.metadata, annotations={names[name]: value for name, value in notes.items()})
    )


def test_they_are_valid_and_without_words() -> None:
    found = load()
    assert [crd.metadata.name for crd in found] == [f"{plural}.{GROUP}" for plural in PLURALS]
    for crd in map(default, found):
        assert list(definition_validation.validate(crd, None)) == []
        assert list(warn(crd, None)) == []
        assert comes_with_wherry(crd)
        assert crd.metadata.annotations[VERSION_NOTE] == VERSION
        assert b'"description":"' not in encode(crd.spec)


def test_only_what_is_exactly_so_is_believed() -> None:
    crd = default(load()[1])
    assert list(validate(crd, None)) == []
    names = replace(crd.spec.names, kind="bad kind")
    changed = replace(crd, spec=replace(crd.spec, names=names))
    assert not comes_with_wherry(changed)
    assert list(validate(changed, None)) != []
    unapproved = replace(crd, metadata=replace(crd.metadata, annotations={}))
    assert list(validate(unapproved, None)) != []


@pytest.mark.parametrize(
    ("notes", "wanted"),
    [
        ({"ours": "v1.0.0", "version": "v1.0.0", "channel": "standard"}, True),
        ({"ours": VERSION, "version": VERSION, "channel": "standard"}, False),
        ({"ours": "v9.0.0", "version": "v9.0.0", "channel": "standard"}, False),
        ({"version": "v1.0.0", "channel": "standard"}, False),  # made by somebody else
        ({"ours": "v1.0.0", "version": "v1.1.0", "channel": "standard"}, False),  # replaced by somebody else
        ({"ours": "v1.0.0", "version": "v1.0.0", "channel": "experimental"}, False),
        ({"ours": "soon", "version": "soon", "channel": "standard"}, False),
    ],
)
def test_what_is_written(notes: dict[str, str], wanted: bool) -> None:
    assert to_write(noted(**notes)) is wanted


def test_a_renewed_one_keeps_what_is_not_ours() -> None:
    assert to_write(None)
    old = noted(ours="v1.0.0", version="v1.0.0", channel="standard")
    old = replace(old, metadata=replace(old.metadata, uid="u", annotations={**old.metadata.annotations, "a": "b"}))
    new = merged(load()[0], old)
    assert (new.metadata.uid, new.metadata.annotations["a"], new.metadata.annotations[OURS]) == ("u", "b", VERSION)


def test_versions_that_are_served() -> None:
    assert [supported(noted(version=text)) for text in ("v1.0.0", VERSION, "v1.99.0", "v0.8.0", "v2.0.0", "x", "")] == [
        True, True, False, False, False, False, False
    ]  # fmt: skip
