"""Answers: what the entry says to an ACME authority that looks for a token (HTTP-01).

Follows one ConfigMap, which only wherry's controllers write, from when the first Ingress with TLS is there. Requests
for other tokens go where routes lead, so that applications may answer for themselves.
https://www.rfc-editor.org/rfc/rfc8555#section-8.3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.networking.site_certificates import ANSWERS
from wherry.client.interface import Client, Select

PATH = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_ANSWER = re.compile(r"[A-Za-z0-9_.-]{1,256}", re.ASCII)


class Answers:
    """`entries`: path -> answer. `changed()` is called when they have changed."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self._client, self._changed = client, changed
        self.entries: dict[str, str] = {}

    async def follow(self) -> None:
        """Until cancelled."""
        select = Select(namespace=ANSWERS.namespace, fields=f"metadata.name={ANSWERS.name}")
        async for event in self._client.watch(CONFIGMAP, select):
            if event.obj is None or event.obj.metadata.name != ANSWERS.name:
                continue
            entries = read({} if event.type == "DELETED" else event.obj.data)
            if entries != self.entries:
                self.entries = entries
                self._changed()


def read(data: Mapping[str, str]) -> dict[str, str]:
    """Path -> answer, of what can be a token and its answer."""
    return {
        PATH + token: answer
        for token, answer in data.items()
        if _TOKEN.fullmatch(token) is not None and _ANSWER.fullmatch(answer) is not None
    }
