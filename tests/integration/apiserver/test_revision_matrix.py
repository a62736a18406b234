"""Every combination of resourceVersion, resourceVersionMatch, limit, continue, sendInitialEvents and bookmarks.

The tables say what upstream documents: which combinations are refused, and with which words, and whether an answer
shows exactly the revision that was asked for or the newest state (which is what "any" and "most recent" both are here).
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.definitions import defined, definition
from wherry.store.window import Window

pytestmark = pytest.mark.looptime(False)

RESOURCES = {
    "configmaps": ("", "/api/v1/namespaces/demo/configmaps"),
    "foos": ("example.com", "/apis/example.com/v1/namespaces/demo/foos"),
}
NOW, THEN = ["a", "c", "d"], ["a", "b", "c"]

# resourceVersion, resourceVersionMatch -> without limit, with one. `exact` is the revision asked for.
LIST = """
unset      unset         now      now
unset      Exact         no-rv    no-rv
unset      NotOlderThan  no-rv    no-rv
unset      Newest        no-rv+not-known  no-rv+not-known
zero       unset         now      whole
zero       Exact         zero     zero
zero       NotOlderThan  now      whole
zero       Newest        not-known  not-known
past       unset         now      exact
past       Exact         exact    exact
past       NotOlderThan  now      now
past       Newest        not-known  not-known
current    unset         now      now
current    Exact         now      now
current    NotOlderThan  now      now
current    Newest        not-known  not-known
compacted  unset         now      410
compacted  Exact         410      410
compacted  NotOlderThan  now      now
compacted  Newest        not-known  not-known
future     unset         504      504
future     Exact         504      504
future     NotOlderThan  504      504
future     Newest        not-known  not-known
bad        unset         400      400
bad        Exact         400      400
bad        NotOlderThan  400      400
bad        Newest        not-known  not-known
large      unset         400      400
large      Exact         400      400
large      NotOlderThan  400      400
large      Newest        not-known  not-known
"""

# with a token of a first page: resourceVersion, resourceVersionMatch -> what
CONTINUED = """
unset      unset         exact
unset      Exact         no-rv+with-token
unset      NotOlderThan  no-rv+with-token
unset      Newest        no-rv+with-token+not-known
zero       unset         exact
zero       Exact         with-token+zero
zero       NotOlderThan  with-token
zero       Newest        with-token+not-known
past       unset         both
past       Exact         with-token
past       NotOlderThan  with-token
past       Newest        with-token+not-known
future     unset         both
bad        unset         both
"""

# resourceVersion, resourceVersionMatch -> sendInitialEvents unset, true, false
WATCH = """
unset      unset         state    no-match    no-match
unset      Exact         alone+only  no-match+only  no-match+only
unset      NotOlderThan  alone    state       start
zero       unset         state    no-match    no-match
zero       Exact         alone+only  no-match+only  no-match+only
zero       NotOlderThan  alone    state       start
past       unset         changes  no-match    no-match
past       Exact         alone+only  no-match+only  no-match+only
past       NotOlderThan  alone    state       changes
current    unset         start    no-match    no-match
current    NotOlderThan  alone    state       start
compacted  unset         410      no-match    no-match
compacted  NotOlderThan  alone    state       410
future     unset         later    no-match    no-match
future     NotOlderThan  alone    504         later
bad        unset         400      no-match    no-match
bad        NotOlderThan  alone    400         400
large      unset         400      no-match    no-match
large      NotOlderThan  alone    400         400
"""
REFUSED = {
    "no-rv": "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    "with-token": "Forbidden: resourceVersionMatch is forbidden when continue is provided",
    "zero": 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    "not-known": 'Unsupported value: "Newest": supported values: "", "Exact", "NotOlderThan"',
    "no-match": "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    "alone": "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    "only": 'Unsupported value: "Exact": supported values: "NotOlderThan"',
}
MALFORMED = (
    'invalid resource version: resourceVersion: Invalid value: "{0}": strconv.ParseUint: parsing "{0}": {1}'
)  # fmt: skip


def rows(table: str) -> Iterator[list[str]]:
    for line in table.strip().splitlines():
        yield line.split()


@dataclass(frozen=True, slots=True)
class Stage:
    """A collection with a history: three objects, then one changed, one deleted, one created."""

    http: Http
    path: str
    window: Window[Any]
    revisions: Mapping[str, str]

    def query(self, **names: str) -> str:
        """A path with a query; `revision` is the name of one."""
        revision = names.pop("revision", "unset")
        match = names.pop("match", "unset")
        said = {"resourceVersion": self.revisions.get(revision, ""), "resourceVersionMatch": match}
        said |= names
        return f"{self.path}?{urlencode({k: v for k, v in said.items() if v not in ('', 'unset')})}"

    async def list(self, **names: str) -> Answered:
        return await self.http("GET", self.query(**names))


async def prepare(http: Http, plural: str) -> Stage:
    group, path = RESOURCES[plural]
    if group:
        await defined(http, definition())
    for name in "abc":
        assert (await http("POST", path, body(plural, name))).code == 201
    api = http.running.server.api
    compacted = str(api.windows.revision - 1)
    await api.windows.log.compact(api.windows.revision)
    window = api.window(api.served.get(group, "v1", plural))
    window.trim(api.clock.monotonic() + 10_000)
    past = (await http("GET", path)).body["metadata"]["resourceVersion"]
    labels = {"metadata": {"labels": {"new": "1"}}}
    assert (await http("PATCH", f"{path}/a", labels, "application/merge-patch+json")).code == 200
    assert (await http("DELETE", f"{path}/b")).code == 200
    assert (await http("POST", path, body(plural, "d"))).code == 201
    current = str(api.windows.revision)
    revisions = {
        "zero": "0", "past": past, "current": current, "compacted": compacted, "future": str(int(current) + 1_000_000),
        "bad": "x1", "large": str(1 << 64),
    }  # fmt: skip
    return Stage(http, path, window, revisions)


def body(plural: str, name: str) -> dict[str, Any]:
    if plural == "configmaps":
        return {"metadata": {"name": name}}
    return {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": name}}


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def check_refusal(stage: Stage, code: int, status: Any, expected: str, revision: str) -> bool:
    """Whether a refusal was expected; it has the words that it must have."""
    message = status.get("message")
    if expected == "410":
        assert (code, status["reason"]) == (410, "Expired")
    elif expected == "504":
        asked = stage.revisions["future"]
        shown = f"Timeout: Too large resource version: {asked}, current: "
        assert (code, status["reason"], message[: len(shown)]) == (504, "Timeout", shown)
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        assert status["details"] == {"causes": [cause], "retryAfterSeconds": 1}
    elif expected == "400":
        why = "invalid syntax" if revision == "bad" else "value out of range"
        assert (code, status["reason"]) == (400, "BadRequest")
        assert message == MALFORMED.format(stage.revisions[revision], why)
    elif expected == "both":
        assert (code, message) == (400, "specifying resource version is not allowed when using continue")
    elif expected.partition("+")[0] in REFUSED:
        causes = [f"resourceVersionMatch: {REFUSED[word]}" for word in expected.split("+")]
        summary = causes[0] if len(causes) == 1 else f"[{', '.join(causes)}]"
        assert (code, status["reason"]) == (422, "Invalid")
        assert message == f'ListOptions.meta.k8s.io "" is invalid: {summary}'
    else:
        return False
    return True


async def check_list(stage: Stage, revision: str, match: str, limit: str, expected: str) -> None:
    answer = await stage.list(revision=revision, match=match, limit=limit)
    listed = answer.body
    if check_refusal(stage, answer.code, listed, expected, revision):
        return
    assert answer.code == 200, listed
    shown = THEN if expected == "exact" else NOW
    at = listed["metadata"]["resourceVersion"]
    labelled = {"new": "1"} if shown is NOW else None
    if expected == "exact":
        assert at == stage.revisions["past"]
    else:  # the server's own controllers may have written something else since
        assert int(stage.revisions["current"]) <= int(at) <= stage.http.running.server.api.windows.revision
    assert listed["items"][0]["metadata"].get("labels") == labelled
    if limit == "unset" or expected == "whole":
        assert names(listed) == shown
        assert set(listed["metadata"]) == {"resourceVersion"}
        return
    assert (names(listed), listed["metadata"]["remainingItemCount"]) == (shown[:2], 1)
    rest = (await stage.list(limit=limit, **{"continue": listed["metadata"]["continue"]})).body
    assert (names(rest), rest["metadata"]) == (shown[2:], {"resourceVersion": at})


@pytest.mark.parametrize("plural", list(RESOURCES))
async def test_lists(http: Http, plural: str) -> None:
    stage = await prepare(http, plural)
    async with asyncio.TaskGroup() as group:  # those from the future take three seconds each
        for revision, match, *outcomes in rows(LIST):
            for limit, expected in zip(("unset", "2"), outcomes, strict=True):
                group.create_task(
                    check_list(stage, revision, match, limit, expected), name=f"{revision} {match} {limit}"
                )
    refused = await stage.list(sendInitialEvents="false")
    assert refused.message.endswith("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")
    assert names((await stage.list(limit="-1")).body) == NOW


@pytest.mark.parametrize("plural", list(RESOURCES))
async def test_pages(http: Http, plural: str) -> None:
    """A token names its own moment; a revision beside it is refused, unless it is 0."""
    stage = await prepare(http, plural)
    first = (await stage.list(revision="past", limit="1")).body
    token = first["metadata"]["continue"]
    for revision, match, expected in rows(CONTINUED):
        answer = await stage.list(revision=revision, match=match, **{"continue": token})
        if not check_refusal(stage, answer.code, answer.body, expected, revision):
            assert names(answer.body) == THEN[1:]
            assert answer.body["metadata"]["resourceVersion"] == stage.revisions["past"]


def token(**said: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(said)).decode().rstrip("=")


META = "meta.k8s.io/v1"
PROGRESS = ("BOOKMARK", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!", "continue key is not valid: "),
        (base64.urlsafe_b64encode(b"{").decode().rstrip("="), "continue key is not valid: "),
        (token(v="v2", rv=1, start="demo/a"),
         "continue key is not valid: server does not recognize this encoded version v2"),
        (token(v=META, rv=0, start="demo/a"),
         "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (token(v=META, rv=1, start=""),
         "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)"),
        (token(v=META, rv=-1, start="demo/../x/a"), "continue key is not valid: demo/../x/a"),
        (token(v=META, rv=-1, start="other/a"), "continue key is not valid: other/a"),
        (token(v=META, rv=1 << 40, start="demo/a"), "continue key is not valid: "),
    ],
)  # fmt: skip
async def test_tokens_that_are_none(http: Http, text: str, message: str) -> None:
    answer = await http("GET", f"/api/v1/namespaces/demo/configmaps?{urlencode({'continue': text})}")
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert answer.message.startswith(f"invalid continue token: {message}")


@pytest.mark.parametrize("plural", list(RESOURCES))
async def test_a_token_that_is_too_old(http: Http, plural: str) -> None:
    stage = await prepare(http, plural)
    old = token(v=META, rv=int(stage.revisions["compacted"]), start="demo/a")
    answer = await stage.list(limit="1", **{"continue": old})
    assert (answer.code, answer.body["reason"]) == (410, "Expired")
    on = await stage.list(limit="5", **{"continue": answer.body["metadata"]["continue"]})
    assert (names(on.body), set(on.body["metadata"])) == (NOW[1:], {"resourceVersion"})
    assert int(on.body["metadata"]["resourceVersion"]) >= int(stage.revisions["current"])


@dataclass(frozen=True, slots=True)
class Case:
    """One watch and what it must tell."""

    revision: str
    match: str
    initial: str
    bookmarks: str
    expected: str

    @property
    def lives(self) -> bool:
        """Whether it goes on."""
        return self.expected in ("state", "changes", "start", "later")

    def events(self) -> list[tuple[str, str]]:
        """What it tells before the last object comes."""
        if self.expected == "state":
            mark = [("BOOKMARK", "true")] if self.bookmarks == "true" else []
            return [("ADDED", name) for name in NOW] + mark
        if self.expected == "changes":
            return [("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "d")]
        return []


def cases() -> Iterator[Case]:
    for revision, match, *outcomes in rows(WATCH):
        for initial, expected in zip(("unset", "true", "false"), outcomes, strict=True):
            for bookmarks in ("unset", "true"):
                yield Case(revision, match, initial, bookmarks, expected)


async def follow(stage: Stage, session: aiohttp.ClientSession, case: Case) -> None:
    query = stage.query(
        revision=case.revision, match=case.match, sendInitialEvents=case.initial, allowWatchBookmarks=case.bookmarks,
        watch="1", timeoutSeconds="4",
    )  # fmt: skip
    async with session.get(stage.http.running.url + query) as response:
        if response.status != 200:
            status = msgspec.json.decode(await response.read())
            assert check_refusal(stage, response.status, status, case.expected, case.revision), (case, status)
            return
        told: list[tuple[str, str]] = []
        async for line in response.content:
            event = msgspec.json.decode(line)
            if event["type"] == "ERROR":
                status = event["object"]
                assert check_refusal(stage, status["code"], status, case.expected, case.revision), (case, status)
                return
            if _told(event) != PROGRESS:
                told.append(_told(event))
            if _told(event) == ("ADDED", "z"):
                break
    end = [] if case.expected == "later" else [("ADDED", "z")]
    assert told == case.events() + end, case


def _told(event: Any) -> tuple[str, str]:
    meta = event["object"]["metadata"]
    if event["type"] == "BOOKMARK":
        return "BOOKMARK", meta.get("annotations", {}).get("k8s.io/initial-events-end", "")
    return event["type"], meta["name"]


@pytest.mark.parametrize("plural", list(RESOURCES))
async def test_watches(http: Http, plural: str) -> None:
    """All of them at once; when those that live stand, a last object comes."""
    stage = await prepare(http, plural)
    before = stage.window.watchers
    every = list(cases())
    tls = http.running.tls()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0)) as session,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        for case in every:
            group.create_task(follow(stage, session, case))
        while stage.window.watchers - before < sum(case.lives for case in every):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        assert (await http("POST", stage.path, body(plural, "z"))).code == 201


@pytest.mark.parametrize(("revision", "forbidden"), [("unset", True), ("zero", True), ("past", False)])
async def test_a_watch_with_a_token(http: Http, revision: str, forbidden: bool) -> None:
    """Refused where the watch begins with the present state, and of no meaning elsewhere."""
    stage = await prepare(http, "configmaps")
    query = stage.query(revision=revision, watch="1", timeoutSeconds="1", **{"continue": token(v=META)})
    async with http.session.get(http.running.url + query) as response:
        status = msgspec.json.decode(await response.read()) if response.status != 200 else {}
    assert status.get("code") == (422 if forbidden else None)
    assert not forbidden or status["message"].endswith(REFUSED["with-token"])


@pytest.mark.parametrize("plural", list(RESOURCES))
async def test_a_collection_is_deleted_by_the_same_rules(http: Http, plural: str) -> None:
    stage = await prepare(http, plural)
    refused = await http("DELETE", stage.query(match="Exact"))
    assert check_refusal(stage, refused.code, refused.body, "no-rv", "unset")
    first = await http("DELETE", stage.query(limit="1"))
    assert (first.code, names(first.body), first.body["metadata"]["remainingItemCount"]) == (200, ["a"], 2)
    assert names((await stage.list()).body) == NOW[1:]
    rest = await http("DELETE", stage.path)
    assert (names(rest.body), names((await stage.list()).body)) == (NOW[1:], [])


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
async def test_numbers_that_are_none(http: Http, name: str) -> None:
    for text, why in (("x", "invalid syntax"), ("1_0", "invalid syntax"), (str(1 << 63), "value out of range")):
        answer = await http("GET", f"/api/v1/namespaces/demo/configmaps?{name}={text}")
        assert (answer.code, answer.message) == (400, f'strconv.ParseInt: parsing "{text}": {why}')


def test_every_combination_is_in_the_tables() -> None:
    revisions = ("unset", "zero", "past", "current", "compacted", "future", "bad", "large")
    listed = {(revision, match) for revision, match, *_ in rows(LIST)}
    assert listed == set(product(revisions, ("unset", "Exact", "NotOlderThan", "Newest")))
    watched = {(revision, match) for revision, match, *_ in rows(WATCH)}
    assert watched >= set(product(revisions, ("unset", "NotOlderThan")))
