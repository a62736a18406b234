"""A plain API client for tests with whole clusters, and a follower of a collection that outlives server restarts.

Independent of wherry's own client on purpose: what it sees is what any client sees. Blocking, one connection per call;
a follower has a thread. Waiting is always for an event of a watch, never for time to pass.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]
RETRY = 0.02


class Refused(AssertionError):
    """The API answered with an error status."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status
        self.body = body


class Rest:
    """The API of the cluster of a kubeconfig file with client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        server, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.url = urlsplit(server["server"])
        authority = base64.b64decode(server["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:
            for field in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[field]))
            pair.flush()
            self.context.load_cert_chain(pair.name)

    @classmethod
    def of(cls, url: str, authority: Path, certificate: Path, key: Path) -> Self:
        """The API at a URL."""
        rest = cls.__new__(cls)
        rest.url = urlsplit(url)
        rest.context = ssl.create_default_context(cafile=str(authority))
        rest.context.load_cert_chain(certificate, key)
        return rest

    def connect(self, timeout: float = 30.0) -> http.client.HTTPSConnection:
        """A new connection."""
        return http.client.HTTPSConnection(
            self.url.hostname or "", self.url.port, timeout=timeout, context=self.context
        )

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request on a connection of its own. Raises Refused, OSError."""
        with contextlib.closing(self.connect()) as connection:
            return exchange(connection, method, path, body)

    def get(self, path: str) -> Json:
        """GET. Raises Refused, OSError."""
        return self.call("GET", path)

    def ready(self) -> bool:
        """Whether the API says it is ready."""
        try:
            with contextlib.closing(self.connect(timeout=2)) as connection:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds: float) -> float:
        """Wait until the API is ready; how long it took. Nothing tells when a server is back, so it is asked often, but
        not so often that asking keeps it from starting. Raises AssertionError."""
        begun = time.monotonic()
        while not self.ready():
            assert time.monotonic() - begun < seconds, f"the API is not back after {seconds} s"
            time.sleep(RETRY)
        return time.monotonic() - begun

    def watch(self, path: str, since: str) -> Iterator[Json]:
        """Events after a revision, until the server ends the stream. Raises Refused, OSError."""
        with contextlib.closing(self.connect()) as connection:
            joint = "&" if "?" in path else "?"
            connection.request("GET", f"{path}{joint}watch=1&allowWatchBookmarks=true&resourceVersion={since}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refused(answer.status, json.loads(answer.read()))
            while line := answer.readline():
                yield json.loads(line)


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: Json | None = None) -> Json:
    """One request on a kept connection; the decoded answer. Raises Refused, OSError."""
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status >= 400:
        raise Refused(answer.status, content)
    return dict(content)


class Follower:
    """Follows a collection from a list on, resuming after every break at the last revision seen.

    `events` holds (type, object) in order, bookmarks left out; `objects` the present state by namespace/name. `breaks`
    counts how often the stream ended. Raises nothing: what went wrong for good is in `fault`.
    """

    def __init__(self, rest: Rest, path: str) -> None:
        self._rest = rest
        self._path = path
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self.events: list[tuple[str, Json]] = []
        self.objects: dict[str, Json] = {}
        self.breaks = 0
        self.fault = ""
        listed = rest.get(path)
        self._revision: str = listed["metadata"]["resourceVersion"]
        for item in listed["items"]:
            self.objects[_key(item)] = item
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()

    def wait(self, condition: Callable[[dict[str, Json]], object], seconds: float, what: str = "") -> None:
        """Until `condition(objects)` is true. Raises AssertionError after so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.objects) or self.fault, seconds) or self.fault:
                shown = json.dumps([item.get("status") for item in self.objects.values()])[:3000]
                raise AssertionError(f"{self.fault or what or 'it'} has not happened in {seconds} s: {shown}")

    def wait_change(self, seen: int, seconds: float) -> None:
        """Until there are more events than `seen`, or so many seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.events) > seen or self.fault, seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                for event in self._rest.watch(self._path, self._revision):
                    if self._closing.is_set():
                        return
                    self._take(event)
            except Refused as error:
                if error.status < 500 and error.status != 429:
                    self._stop(f"the watch was refused: {error}")
                    return
            except (OSError, http.client.HTTPException, ValueError):
                pass
            self.breaks += 1
            time.sleep(RETRY)  # the server is away: nothing tells when it is back

    def _take(self, event: Json) -> None:
        if event["type"] == "ERROR":
            self._stop(f"the watch ended with {event['object']}")
            return
        self._revision = event["object"]["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        with self._changed:
            self.events.append((event["type"], event["object"]))
            if event["type"] == "DELETED":
                self.objects.pop(_key(event["object"]), None)
            else:
                self.objects[_key(event["object"])] = event["object"]
            self._changed.notify_all()

    def _stop(self, fault: str) -> None:
        with self._changed:
            self.fault = fault
            self._closing.set()
            self._changed.notify_all()


def _key(item: Json) -> str:
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"
