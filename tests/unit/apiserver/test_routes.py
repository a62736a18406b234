"""Paths -> RequestInfo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.apiserver.http import Query
from wherry.apiserver.routes import RequestInfo, parse, with_selected_name
from wherry.machinery.errors import BadRequest

CASES = {
    ("GET", "/api/v1/pods"): ("list", "", "pods", "", "", ""),
    ("GET", "/api/v1/namespaces/a/pods"): ("list", "", "pods", "", "a", ""),
    ("GET", "/api/v1/namespaces/a/pods/p"): ("get", "", "pods", "", "a", "p"),
    ("GET", "/api/v1/namespaces/a/pods/p/log"): ("get", "", "pods", "log", "a", "p"),
    ("POST", "/apis/apps/v1/namespaces/a/deployments"): ("create", "apps", "deployments", "", "a", ""),
    ("PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale"): ("update", "apps", "deployments", "scale", "a", "d"),
    ("PATCH", "/api/v1/nodes/n/status"): ("patch", "", "nodes", "status", "", "n"),
    ("DELETE", "/api/v1/namespaces/a/pods"): ("deletecollection", "", "pods", "", "a", ""),
    ("DELETE", "/api/v1/namespaces/a"): ("delete", "", "namespaces", "", "a", "a"),
    ("GET", "/api/v1/namespaces"): ("list", "", "namespaces", "", "", ""),
    ("PUT", "/api/v1/namespaces/a/finalize"): ("update", "", "namespaces", "finalize", "a", "a"),
    ("GET", "/api/v1/namespaces/a/status"): ("get", "", "namespaces", "status", "a", "a"),
    ("GET", "/api/v1/watch/namespaces/a/pods"): ("watch", "", "pods", "", "a", ""),
    ("GET", "/api/v1/pods/"): ("list", "", "pods", "", "", ""),
}


@pytest.mark.parametrize(("method", "path"), list(CASES))
def test_what_a_path_is_about(method: str, path: str) -> None:
    info = parse(method, path, Query(""))
    found = (info.verb, info.group, info.resource, info.subresource, info.namespace, info.name)
    assert info.is_resource
    assert found == CASES[method, path]


def test_a_watch_is_asked_for_in_the_query() -> None:
    assert parse("GET", "/api/v1/pods", Query("watch=true")).verb == "watch"
    assert parse("GET", "/api/v1/pods", Query("watch=false")).verb == "list"
    assert parse("GET", "/api/v1/namespaces/a/pods/p", Query("watch=1")).verb == "get"


def test_the_rest_of_a_proxy_path_is_kept_as_it_is() -> None:
    info = parse("GET", "/api/v1/namespaces/a/services/s:80/proxy/x/%2e/y/", Query(""))
    assert (info.name, info.subresource, info.rest) == ("s:80", "proxy", "/x/%2e/y/")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("fieldSelector=metadata.name%3Dp", "p"),
        ("fieldSelector=a%3Db,metadata.name%3D%3Dp", "p"),
        ("fieldSelector=metadata.name!%3Dp", ""),
        ("fieldSelector=xmetadata.name%3Dp", ""),
        ("fieldSelector=status.phase!%3D%5C,metadata.name%3Dp", ""),
        ("labelSelector=metadata.name%3Dp", ""),
    ],
)
def test_a_selected_name_counts_for_authorisation(query: str, name: str) -> None:
    asked = Query(query)
    assert with_selected_name(parse("GET", "/api/v1/namespaces/a/pods", asked), asked).name == name


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/livez/x"]
)
def test_other_paths_are_no_resources(path: str) -> None:
    assert parse("GET", path, Query("")) == RequestInfo(path, "get")


@given(st.text(alphabet="/.%2eEfF0ab\\", max_size=30))
def test_no_path_smuggles_a_segment(tail: str) -> None:
    """What is authorised never holds a dot segment, a slash or nothing where something belongs."""
    try:
        info = parse("GET", "/api/v1/namespaces/" + tail, Query(""))
    except BadRequest:
        return
    for part in (info.namespace, info.name, info.resource, info.subresource):
        assert part not in (".", "..")
        assert "/" not in part
        assert "\0" not in part
