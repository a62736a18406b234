"""Accept -> what is written."""

from __future__ import annotations

import pytest

from wherry.apiserver.negotiate import PLAIN, Wanted, negotiate
from wherry.machinery.errors import NotAcceptable

PROTOBUF = "application/vnd.kubernetes.protobuf"
KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/json", PLAIN),
        ("application/vnd.kubernetes.protobuf,application/json", PLAIN),
        ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN),
        (KUBECTL, Wanted("Table", "v1")),
        ("application/yaml", Wanted(yaml=True)),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Wanted("PartialObjectMetadata", "v1")),
        ("application/json;as=Nothing;g=x;v=v1,application/json", PLAIN),
        (PROTOBUF, Wanted(protobuf=True)),
        (f"{PROTOBUF};stream=watch", Wanted(protobuf=True)),
        (f"{PROTOBUF},application/yaml", Wanted(yaml=True)),
        (f"{PROTOBUF},*/*", PLAIN),
        (
            f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Wanted("PartialObjectMetadataList", "v1", protobuf=True),
        ),
        (f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1,{PROTOBUF}", Wanted(protobuf=True)),
        (f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1,application/json", PLAIN),
    ],
)
def test_the_first_that_can_be_served(accept: str, wanted: Wanted) -> None:
    assert negotiate(accept) == wanted


@pytest.mark.parametrize(
    "accept", ["image/png", f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1", "application/json;as=X;v=v1"]
)
def test_nothing_that_can_be_served(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accept)
