"""Images of containers: present or pulled, by policy, with credentials, and with patience when a registry fails.

Back-off per pod and image: 10 s doubling to 300 s, as upstream; an image that appears meanwhile is used at once.
https://kubernetes.io/docs/concepts/containers/images/
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wherry.aio.clock import Clock
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod
from wherry.client.interface import Client
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key
from wherry.node.facts import Problem
from wherry.node.pullrecords import PullRecords
from wherry.node.runtime.interface import Auth, Runtime, RuntimeFault

FIRST, CAP = 10.0, 300.0
PARALLEL = 4
PRESENT = "already present on machine and can be accessed by the pod"
_NAME = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)

Tell = Callable[[Literal["Normal", "Warning"], str, str], None]
"""(type, reason, message) of an event about the container."""


def normal_name(image: str) -> str | None:
    """The full name with registry and tag, or None if it is no image name: nginx -> docker.io/library/nginx:latest."""
    found = _NAME.fullmatch(image)
    if found is None:
        return None
    host, path, tag, digest = found["host"], found["path"], found["tag"], found["digest"]
    if host and not re.search(r"[.:]", host) and host != "localhost":
        host, path = None, f"{host}/{path}"
    if not host:
        host = "docker.io"
    if host in ("docker.io", "index.docker.io"):
        host, path = "docker.io", path if "/" in path else f"library/{path}"
    suffix = (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    return f"{host}/{path}{suffix or ':latest'}"


def policy(spec: Spec) -> str:
    """The pull policy; the API's default where it is missing."""
    if spec.image_pull_policy:
        return spec.image_pull_policy
    name = normal_name(spec.image) or ""
    return "Always" if name.endswith(":latest") else "IfNotPresent"


def credentials(image: str, secrets: list[Mapping[str, bytes]]) -> list[Auth]:
    """What the pull secrets offer for an image, the longest match first. Secrets that cannot be read are skipped."""
    name = (normal_name(image) or image).split("@")[0]
    found: list[tuple[str, Auth]] = []
    for data in secrets:
        for server, entry in _entries(data):
            place = re.sub(r"^https?://", "", server).removesuffix("/v1/").removesuffix("/v2/").strip("/")
            place = "docker.io" if place in ("index.docker.io", "registry-1.docker.io") else place
            if _covers(place, name):
                found.append((place, _auth(server, entry)))
    return [auth for _, auth in sorted(found, key=lambda one: -len(one[0]))]


def _covers(place: str, name: str) -> bool:
    pattern = re.escape(place).replace(r"\*", "[^./]*")
    return re.match(rf"{pattern}(/|:|$)", name) is not None


def _entries(data: Mapping[str, bytes]) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        if ".dockerconfigjson" in data:
            return list(json.loads(data[".dockerconfigjson"])["auths"].items())
        if ".dockercfg" in data:
            return list(json.loads(data[".dockercfg"]).items())
    except (ValueError, KeyError, AttributeError):
        return []
    return []


def _auth(server: str, entry: Mapping[str, Any]) -> Auth:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth") and not user:
        try:
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
    return Auth(username=user, password=password, server=server, identity_token=entry.get("identitytoken", ""))


@dataclass(slots=True)
class _Failure:
    message: str
    reason: str
    wait: float
    until: float


@dataclass(slots=True)
class Puller:
    """Gets images for containers. One for the node, so that at most `PARALLEL` pulls run and equal ones are shared."""

    runtime: Runtime
    client: Client
    clock: Clock
    records: PullRecords = field(default_factory=PullRecords)
    _failures: dict[tuple[str, str], _Failure] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def get(self, pod: Pod, spec: Spec, tell: Tell) -> str | Problem:
        """The id of the container's image, or why there is none yet. Raises RuntimeFault when the runtime is away."""
        name = normal_name(spec.image)
        if name is None:
            why = f'couldn\'t parse image name "{spec.image}": invalid reference format'
            message = f'Failed to apply default image tag "{spec.image}": {why}'
            tell("Warning", "InspectFailed", message)
            return Problem("InvalidImageName", message, self.clock.now() + FIRST)
        rule = policy(spec)
        held = None if rule == "Always" else await self.runtime.image(name)
        if held is not None and self.records.needs_proof(held.id):
            held = held if self.records.proven(held.id, await self._auths(pod, name)) else None
        if held is not None:
            tell("Normal", "Pulled", f'Container image "{spec.image}" {PRESENT}')
            return held.id
        if rule == "Never":
            message = f'Container image "{spec.image}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", message)
            return Problem("ErrImageNeverPull", message, self.clock.now() + FIRST)
        return await self._pull(pod, spec, name, tell)

    async def _pull(self, pod: Pod, spec: Spec, name: str, tell: Tell) -> str | Problem:
        key, now = (pod.metadata.uid, name), self.clock.now()
        failure = self._failures.get(key)
        if failure is not None and now < failure.until:
            text = f'Back-off pulling image "{spec.image}"'
            tell("Normal", "BackOff", text)
            return Problem("ImagePullBackOff", f"{text}: {failure.reason}: {failure.message}", failure.until)
        auths = await self._auths(pod, name)
        tell("Normal", "Pulling", f'Pulling image "{spec.image}"')
        asked = self.clock.monotonic()
        try:
            async with self._slots:
                began = self.clock.monotonic()
                image, used = await self._try(name, auths)
        except RuntimeFault as fault:
            if fault.code == "unavailable":
                raise
            message = f"failed to pull and unpack image: {fault}" if not str(fault) else str(fault)
            text = f"rpc error: code = {fault.code.title().replace('_', '')} desc = {message}"
            tell("Warning", "Failed", f'Failed to pull image "{spec.image}": {text}')
            tell("Warning", "Failed", "Error: ErrImagePull")
            wait = min(CAP, failure.wait * 2) if failure else FIRST
            self._failures[key] = _Failure(text, "ErrImagePull", wait, self.clock.now() + wait)
            return Problem("ErrImagePull", text, self.clock.now() + 1.0)
        self._failures.pop(key, None)
        self.records.pulled(image, used)
        now = self.clock.monotonic()
        held = await self.runtime.image(image)
        size = held.size if held else 0
        tell(
            "Normal", "Pulled",
            f'Successfully pulled image "{spec.image}" in {_took(now - began)} '
            f"({_took(now - asked)} including waiting). Image size: {size} bytes.",
        )  # fmt: skip
        return image

    async def _try(self, name: str, auths: list[Auth]) -> tuple[str, Auth | None]:
        """With each credential in turn, or without any; the image and what got it."""
        for auth in auths[:-1]:
            try:
                return await self.runtime.pull(name, auth), auth
            except RuntimeFault as fault:
                if fault.code == "unavailable":
                    raise
        last = auths[-1] if auths else None
        return await self.runtime.pull(name, last), last

    async def _auths(self, pod: Pod, name: str) -> list[Auth]:
        secrets: list[Mapping[str, bytes]] = []
        for reference in pod.spec.image_pull_secrets:
            try:
                held = await self.client.get(SECRET, Key(pod.metadata.namespace, reference.name))
            except (APIError, OSError):
                continue  # as upstream: a missing pull secret is not an error, the pull will tell
            secrets.append(held.data)
        return credentials(name, secrets)

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        for key in [key for key in self._failures if key[0] == uid]:
            del self._failures[key]


def _took(seconds: float) -> str:
    """As Go prints durations: 1.234s, 56ms."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s" if seconds >= 1 else f"{round(seconds * 1000)}ms"
