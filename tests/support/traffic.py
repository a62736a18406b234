"""Random traffic on a few objects by clients that record every call and its answer, whatever becomes of the server."""

from __future__ import annotations

import http.client
import random
import threading
import time
from typing import Any
from urllib.parse import quote

from tests.support.history import NOT_DONE, UNKNOWN, Call, Item, Verb
from tests.support.rest import Json, Refused, Rest, exchange

PATH = "/api/v1/namespaces/default/configmaps"
NAMES = ("a", "b", "c", "d")
COLOURS = ("red", "blue")
AWAY = 0.02
"""Seconds until a server that is away is asked again."""


class User:
    """One client with one connection: it has an answer, or none, before it asks again."""

    def __init__(self, rest: Rest, number: int, seed: int, stop: threading.Event) -> None:
        self._rest, self._number, self._stop = rest, number, stop
        self._dice = random.Random(f"{seed}-{number}")
        self._connection = rest.connect(10)
        self._seen: dict[str, int] = {}
        self._steps = 0
        self.calls: list[Call] = []
        self.strange: list[str] = []
        """Answers that no client should get."""

    def run(self) -> None:
        """Until stopped."""
        while not self._stop.is_set():
            verb = self._dice.choices(("create", "update", "delete", "get", "list"), (3, 6, 2, 4, 2))[0]
            if verb == "list":
                self._list()
            else:
                self._one(verb, self._dice.choice(NAMES))
        self._connection.close()

    def _ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json, float, float] | None:
        """Code and answer, and when; None where the server was not reached at all."""
        begun = time.monotonic()
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            time.sleep(AWAY)
            return None
        begun = time.monotonic()
        try:
            answer = exchange(self._connection, method, path, body)
        except Refused as refused:
            code = UNKNOWN if refused.status in (500, 504) else refused.status
            return code, refused.body, begun, time.monotonic()
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            self._connection = self._rest.connect(10)
            return UNKNOWN, {}, begun, time.monotonic()
        return 200, answer, begun, time.monotonic()

    def _one(self, verb: Any, name: str) -> None:
        self._steps += 1
        value = f"{self._number}-{self._steps}" if verb in ("create", "update") else ""
        expected = self._seen.get(name, 0) if verb in ("update", "delete") and self._dice.random() < 0.7 else 0
        done = self._ask(*_request(verb, name, value, expected, self._dice.choice(COLOURS)))
        if done is None:
            return
        code, body, begun, ended = done
        revision, uid = 0, ""
        if code == 200 and verb == "delete":
            uid = body["details"]["uid"]
        elif code == 200:
            revision = self._seen[name] = int(body["metadata"]["resourceVersion"])
            value = body["data"]["n"] if verb == "get" else value
        self._record(Call(verb, begun, ended, code, name, value, expected, revision, uid), body)

    def _list(self) -> None:
        """Perhaps in pages; whoever takes them slowly sees the past in the later ones, all of it at one moment."""
        limit = self._dice.choice((0, 0, 1, 2))
        query, after = f"?limit={limit}" if limit else self._dice.choice(("", "?resourceVersion=0")), ""
        while not self._stop.is_set() and (done := self._ask("GET", PATH + query)) is not None:
            code, body, begun, ended = done
            if code != 200:
                if code != 410 or not after:
                    self._record(Call("list", begun, ended, code, after=after), body)
                return
            meta = body["metadata"]
            items = tuple(map(_item, body["items"]))
            for item in items:
                self._seen[item.name] = item.revision
            self._record(
                Call(
                    "list",
                    begun,
                    ended,
                    200,
                    revision=int(meta["resourceVersion"]),
                    items=items,
                    limit=limit,
                    after=after,
                ),
                body,
            )
            if not meta.get("continue"):
                return
            query, after = f"?limit={limit}&continue={quote(meta['continue'])}", items[-1].name
            time.sleep(self._dice.choice((0.0, 0.0, 0.05)))

    def _record(self, call: Call, body: Json) -> None:
        write = call.verb in ("create", "update", "delete")
        if call.code not in (200, 404, 409, NOT_DONE, UNKNOWN):
            self.strange.append(f"{call}: {body}")
        elif write or call.code in (200, 404):
            self.calls.append(call)
        if call.code == NOT_DONE:
            time.sleep(AWAY)


def _item(item: Json) -> Item:
    return Item(item["metadata"]["name"], int(item["metadata"]["resourceVersion"]), item["data"]["n"])


def _request(verb: Verb, name: str, value: str, expected: int, colour: str) -> tuple[str, str, Json | None]:
    meta: Json = {"name": name, "labels": {"colour": colour}}
    if verb == "create":
        return "POST", PATH, {"metadata": meta, "data": {"n": value}}
    if verb == "update":
        meta |= {"resourceVersion": str(expected)} if expected else {}
        return "PUT", f"{PATH}/{name}", {"metadata": meta, "data": {"n": value}}
    if verb == "delete":
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        wanted = {"preconditions": {"resourceVersion": str(expected)}} if expected else {}
        return "DELETE", f"{PATH}/{name}", {**options, **wanted}
    return "GET", f"{PATH}/{name}", None
