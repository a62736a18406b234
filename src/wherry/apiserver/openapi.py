"""OpenAPI documents: /openapi/v2 whole, /openapi/v3 per group and version. For explain, apply, diff, validation.

Paths derive from what is served, schemas from `wherry.api.definitions`; documents are built in a thread when somebody
asks, and only the last few are kept. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import Any

from wherry.api import definitions
from wherry.apiserver import openapi_protobuf
from wherry.apiserver.aggregation.documents import merge_openapi2
from wherry.apiserver.aggregation.remotes import Remotes
from wherry.apiserver.http import JSON, Request, Response
from wherry.apiserver.openapi_documents import of_place, places, whole
from wherry.apiserver.openapi_operations import place_of
from wherry.apiserver.served import Served
from wherry.machinery import codec
from wherry.machinery.errors import NoSuchPath, NotAcceptable
from wherry.machinery.resource import Resource

_KEPT = 4


class OpenApi:
    """Builds and keeps documents. `version` is the server's gitVersion."""

    def __init__(self, served: Served, remotes: Remotes, version: str) -> None:
        self._served = served
        self._remotes = remotes
        self._version = version
        self._documents: OrderedDict[str, bytes] = OrderedDict()
        self._hashes: dict[str, str] = {}
        served.on_change(self._documents.clear)
        served.on_change(self._hashes.clear)
        remotes.on_change(self._documents.clear)
        remotes.on_change(self._hashes.clear)

    async def answer(self, request: Request, path: str) -> Response:
        """The document at a path under /openapi. Raises NotFound, NotAcceptable."""
        accept = request.headers.get("Accept", "")
        if path == "/openapi/v2" and openapi_protobuf.MEDIA in accept:
            return await self._document(request, "v2 protobuf", None)
        if accept and "protobuf" in accept and "json" not in accept and "*/*" not in accept:
            raise NotAcceptable("only the following media types are accepted: application/json")
        if path == "/openapi/v2":
            return await self._document(request, "v2", None)
        if path == "/openapi/v3":
            return Response(codec.encode({"paths": self._links()}))
        place = path.removeprefix("/openapi/v3/")
        if not path.startswith("/openapi/v3/") or place not in self._places():
            raise NoSuchPath
        return await self._document(request, place, place)

    def _places(self) -> list[str]:
        return places(self._served)

    def _links(self) -> dict[str, dict[str, str]]:
        links = {place: self._link(place) for place in self._places()}
        for remote in self._remotes:
            links.pop(f"apis/{remote.name[0]}/{remote.name[1]}", None)
            links |= {place: {"serverRelativeURL": url} for place, url in remote.documents.openapi3.items()}
        return links

    def _link(self, place: str) -> dict[str, str]:
        return {"serverRelativeURL": f"/openapi/v3/{place}?hash={self._hash(place)}"}

    def _hash(self, place: str) -> str:
        """Of what a document is made from: the same again as long as its own kinds stay as they are."""
        found = self._hashes.get(place)
        if found is None:
            whole = place.startswith("v2")
            custom = sorted(
                f"{place_of(r)}/{r.plural} {r.custom.digest}"
                for r in self._served
                if r.custom is not None and (whole or place_of(r) == place)
            )
            elsewhere = (str(self._remotes.generation),) if whole and self._remotes.generation else ()
            text = "\n".join((self._version, place, *custom, *elsewhere))
            found = self._hashes[place] = hashlib.sha256(text.encode()).hexdigest().upper()
        return found

    async def _document(self, request: Request, key: str, place: str | None) -> Response:
        tag = f'"{self._hash(key)}"'
        headers = {"ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return Response(b"", 304, JSON, headers)
        found = self._documents.get(key)
        if found is None:
            loop = asyncio.get_running_loop()
            build = self._build if key != "v2 protobuf" else self._build_protobuf
            found = await loop.run_in_executor(None, build, place, tuple(self._served))
            self._documents[key] = found
            while len(self._documents) > _KEPT:
                self._documents.popitem(last=False)
        if key == "v2 protobuf":
            return Response(found, content_type=openapi_protobuf.CONTENT_TYPE, headers=headers)
        return Response(found, headers=headers)

    def _build_protobuf(self, _: str | None, resources: tuple[Resource[Any], ...]) -> bytes:
        """For kubectl before 1.27, which understands nothing else."""
        return openapi_protobuf.encode(self._second(resources))

    def _second(self, resources: tuple[Resource[Any], ...]) -> dict[str, Any]:
        document = whole(resources, definitions.load(), self._version)
        merge_openapi2(document, [(r.name[0], r.documents.openapi2) for r in self._remotes])
        return document

    def _build(self, place: str | None, resources: tuple[Resource[Any], ...]) -> bytes:
        if place is None:
            return codec.encode(self._second(resources))
        return codec.encode(of_place(place, resources, definitions.load(), self._version))
