"""Headers that say who somebody is: believed of the proxy alone, and in exactly the configured spelling.

NCC F9W and YVU, CVE-2025-64484, CVE-2015-0219: `_` for `-`, other cases, several lines, several names in one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_access import grant

pytestmark = pytest.mark.looptime(False)

SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SPELLINGS = (
    "X-Remote-User: root", "x-remote-user: root", "X_Remote_User: root", "X-Remote_User: root", "X-REMOTE-USER: root",
    "X-Remote-Group: system:masters", "X_Remote_Group: system:masters", "x-remote-group: system:masters",
    "X-Remote-Uid: 0", "X-Remote-Extra-Scopes: all", "X_Remote_Extra_Scopes: all", "Remote-User: root",
    "X-Forwarded-User: root", "X-Authenticated-User: root", "X-WebAuth-User: root", "HTTP_X_REMOTE_USER: root",
)  # fmt: skip
PROXY = "front-proxy-client"


async def whoami(http: Http, context: ssl.SSLContext, *lines: str) -> tuple[int, dict[str, Any]]:
    """(status, who the server takes somebody for who sends these header lines)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.running.server.port, ssl=context)
    head = (f"POST {SELF} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 2", *lines)
    writer.write("\r\n".join((*head, "Connection: close", "", "{}")).encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.transport.abort()
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    return int(answer.split(b" ", 2)[1]), found.get("status", {}).get("userInfo", {}) if found[
        "kind"
    ] != "Status" else {}


def proxy(http: Http) -> ssl.SSLContext:
    """TLS of the proxy."""
    context = http.running.tls("")
    folder = http.running.folder / "front-proxy"
    context.load_cert_chain(folder / f"{PROXY}.crt", folder / f"{PROXY}.key")
    return context


@pytest.mark.parametrize("line", SPELLINGS)
async def test_nobody_else_says_who_they_are(http: Http, line: str) -> None:
    """Neither somebody with a certificate of their own, even one named like the proxy, nor nobody."""
    for name in ("bob", PROXY):
        code, who = await whoami(http, http.running.tls(name, ("dev",)), line, "X-Remote-User: root")
        assert (code, who["username"], who["groups"]) == (201, name, ["dev", "system:authenticated"])
        assert "extra" not in who or "scopes" not in who["extra"]
    assert await whoami(http, http.running.tls(""), line, "X-Remote-User: root") == (401, {})


async def test_the_proxy_is_believed_in_one_spelling(http: Http) -> None:
    code, who = await whoami(
        http, proxy(http), "x-remote-user: ann", "X-Remote-Group: a", "x-remote-group: b",
        "X_Remote_Group: system:masters", "X-Remote_Group: system:masters", "X_Remote_User: root",
        "X_Remote_Extra_Scopes: all", "X-Remote-Extra-Team: red", "X-Remote-Extra-team: blue",
    )  # fmt: skip
    assert (code, who) == (
        201,
        {
            "username": "ann",
            "groups": ["a", "b", "system:authenticated"],
            "extra": {"team": ["red", "blue"]},
        },
    )
    for lines in (
        ("X_Remote_User: root",), ("Remote-User: root",), ("X-Remote-User:",),
        ("X-Remote-User: ", "X_Remote_User: root"),
    ):  # fmt: skip
        assert await whoami(http, proxy(http), *lines) == (401, {})


async def test_whom_the_proxy_speaks_for_impersonates_by_right_only(http: Http) -> None:
    lines = ("X-Remote-User: ann", "Impersonate-User: root", "Impersonate-Group: system:masters")
    assert (await whoami(http, proxy(http), *lines))[0] == 403
    await grant(http, "deputy", "ann", ("impersonate", "", "users"))
    assert (await whoami(http, proxy(http), *lines))[0] == 403
    code, who = await whoami(http, proxy(http), "X-Remote-User: ann", "Impersonate-User: bob")
    assert (code, who["username"], who["groups"]) == (201, "bob", ["system:authenticated"])
    for odd in ("Impersonate_User: root", "Impersonate-Users: root"):
        code, who = await whoami(http, proxy(http), "X-Remote-User: ann", odd)
        assert (code, who.get("username", "ann")) in ((201, "ann"), (400, "ann"))
