"""containerd over its socket: CRI v1 for everything, and containerd's own event service to hear of exits at once.

GetContainerEvents is missing in containerd 1.6, so `changes` follows `containerd.services.events.v1.Events`, which
every version has; two fields of its envelope suffice, read through a descriptor built here. Messages of CRI come from
the package container-runtime-interface-api. Long calls (pull, exec, stop) get generous deadlines of their own.
https://github.com/containerd/containerd/blob/main/api/services/events/v1/events.proto
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio
from cri_api.v1 import api_pb2 as pb
from google.protobuf.internal import decoder

from wherry.host import processes
from wherry.node.runtime import messages
from wherry.node.runtime.interface import (
    Auth,
    Container,
    ContainerConfig,
    ExecResult,
    Health,
    Image,
    Resources,
    RuntimeFault,
    Sandbox,
    SandboxConfig,
    Stats,
    Usage,
    Version,
)

R = TypeVar("R")
SECONDS = 120.0
"""Deadline of ordinary calls; upstream's default for CRI is the same."""
PULL_SECONDS = 3600.0
STARTING_TRIES = 500
"""A containerd that was just started refuses calls for a moment: asked again every 20 ms."""
_STARTING = "server is not initialized yet"
_EVENTS = "/containerd.services.events.v1.Events/Subscribe"
_FILTERS = ('topic~="^/tasks/(exit|oom)"',)


class Containerd:
    """A Runtime on a containerd socket. Make it inside a running event loop; `close` it at the end."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._channel = grpc.aio.insecure_channel(
            f"unix://{socket}",
            options=[
                ("grpc.max_receive_message_length", 64 << 20),
                ("grpc.max_send_message_length", 64 << 20),
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.min_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        self._calls: dict[str, Any] = {}

    async def close(self) -> None:
        """Close the connection; containers go on."""
        await self._channel.close(None)

    async def _call(self, method: str, request: Any, answer: type[R], seconds: float = SECONDS) -> R:
        call = self._calls.get(method)
        if call is None:
            service = "ImageService" if "Image" in method else "RuntimeService"
            call = self._calls[method] = self._channel.unary_unary(
                f"/runtime.v1.{service}/{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer.FromString,  # type: ignore[attr-defined] # every message has it
            )
        for left in range(STARTING_TRIES, -1, -1):
            try:
                result: R = await call(request, timeout=seconds, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                if left and error.details() == _STARTING:
                    await asyncio.sleep(0.02)
                    continue
                raise RuntimeFault(error.details() or str(error.code()), error.code().name.lower()) from error
            else:
                return result
        raise RuntimeFault(_STARTING, "unavailable")

    async def version(self) -> Version:
        """See Runtime."""
        answer = await self._call("Version", pb.VersionRequest(version="v1"), pb.VersionResponse)
        return Version(answer.runtime_name, answer.runtime_version)

    async def health(self) -> Health:
        """See Runtime."""
        answer = await self._call("Status", pb.StatusRequest(), pb.StatusResponse)
        found = {one.type: one for one in answer.status.conditions}
        runtime, network = found.get("RuntimeReady"), found.get("NetworkReady")
        return Health(
            ready=runtime is not None and runtime.status, network=network is not None and network.status,
            message=runtime.message if runtime else "", network_message=network.message if network else "",
        )  # fmt: skip

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        """See Runtime."""
        answer = await self._call("ListPodSandbox", pb.ListPodSandboxRequest(), pb.ListPodSandboxResponse)
        return tuple(messages.sandbox(one) for one in answer.items)

    async def sandbox(self, sandbox_id: str) -> Sandbox:
        """See Runtime."""
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call("PodSandboxStatus", request, pb.PodSandboxStatusResponse)
        return messages.sandbox_status(answer.status)

    async def run_sandbox(self, config: SandboxConfig) -> str:
        """See Runtime."""
        request = pb.RunPodSandboxRequest(config=messages.sandbox_config(config), runtime_handler=config.handler)
        answer = await self._call("RunPodSandbox", request, pb.RunPodSandboxResponse, 240.0)
        return answer.pod_sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """See Runtime."""
        request = pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _unless_gone(self._call("StopPodSandbox", request, pb.StopPodSandboxResponse, 240.0))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """See Runtime."""
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _unless_gone(self._call("RemovePodSandbox", request, pb.RemovePodSandboxResponse))

    async def containers(self, sandbox_id: str = "") -> tuple[Container, ...]:
        """See Runtime."""
        request = pb.ListContainersRequest(filter=pb.ContainerFilter(pod_sandbox_id=sandbox_id))
        answer = await self._call("ListContainers", request, pb.ListContainersResponse)
        return tuple(messages.container(one) for one in answer.containers)

    async def container(self, container_id: str) -> Container:
        """See Runtime."""
        request = pb.ContainerStatusRequest(container_id=container_id)
        answer = await self._call("ContainerStatus", request, pb.ContainerStatusResponse)
        return messages.container_status(answer.status)

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        """See Runtime."""
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=messages.container_config(config),
            sandbox_config=messages.sandbox_config(sandbox),
        )
        return (await self._call("CreateContainer", request, pb.CreateContainerResponse)).container_id

    async def start_container(self, container_id: str) -> None:
        """See Runtime."""
        request = pb.StartContainerRequest(container_id=container_id)
        await self._call("StartContainer", request, pb.StartContainerResponse)

    async def stop_container(self, container_id: str, grace: float) -> None:
        """See Runtime."""
        request = pb.StopContainerRequest(container_id=container_id, timeout=max(0, math.ceil(grace)))
        await _unless_gone(self._call("StopContainer", request, pb.StopContainerResponse, grace + SECONDS))

    async def remove_container(self, container_id: str) -> None:
        """See Runtime."""
        request = pb.RemoveContainerRequest(container_id=container_id)
        await _unless_gone(self._call("RemoveContainer", request, pb.RemoveContainerResponse))

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """See Runtime."""
        request = pb.UpdateContainerResourcesRequest(container_id=container_id, linux=messages.resources(resources))
        await self._call("UpdateContainerResources", request, pb.UpdateContainerResourcesResponse)

    async def reopen_log(self, container_id: str) -> None:
        """See Runtime."""
        request = pb.ReopenContainerLogRequest(container_id=container_id)
        await self._call("ReopenContainerLog", request, pb.ReopenContainerLogResponse)

    async def exec_sync(self, container_id: str, command: tuple[str, ...], timeout: float) -> ExecResult:  # noqa: ASYNC109 - the runtime keeps it
        """See Runtime."""
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=round(timeout))
        seconds = timeout + 10 if timeout else PULL_SECONDS
        answer = await self._call("ExecSync", request, pb.ExecSyncResponse, seconds)
        return ExecResult(answer.exit_code, answer.stdout, answer.stderr)

    async def exec_url(
        self, container_id: str, command: tuple[str, ...], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """See Runtime."""
        request = pb.ExecRequest(
            container_id=container_id, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return (await self._call("Exec", request, pb.ExecResponse)).url

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """See Runtime."""
        request = pb.AttachRequest(container_id=container_id, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return (await self._call("Attach", request, pb.AttachResponse)).url

    async def port_forward_url(self, sandbox_id: str, ports: tuple[int, ...]) -> str:
        """See Runtime."""
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return (await self._call("PortForward", request, pb.PortForwardResponse)).url

    async def stats(self) -> tuple[Stats, ...]:
        """See Runtime."""
        answer = await self._call("ListContainerStats", pb.ListContainerStatsRequest(), pb.ListContainerStatsResponse)
        return tuple(messages.stats(one) for one in answer.stats)

    async def image(self, ref: str) -> Image | None:
        """See Runtime."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=ref))
        answer = await self._call("ImageStatus", request, pb.ImageStatusResponse)
        return messages.image(answer.image) if answer.image.id else None

    async def images(self) -> tuple[Image, ...]:
        """See Runtime."""
        answer = await self._call("ListImages", pb.ListImagesRequest(), pb.ListImagesResponse)
        return tuple(messages.image(one) for one in answer.images)

    async def pull(self, ref: str, auth: Auth | None = None, sandbox: SandboxConfig | None = None) -> str:
        """See Runtime."""
        request = pb.PullImageRequest(
            image=pb.ImageSpec(image=ref),
            auth=messages.auth(auth) if auth else None,
            sandbox_config=messages.sandbox_config(sandbox) if sandbox else None,
        )
        return (await self._call("PullImage", request, pb.PullImageResponse, PULL_SECONDS)).image_ref

    async def remove_image(self, image_id: str) -> None:
        """See Runtime."""
        request = pb.RemoveImageRequest(image=pb.ImageSpec(image=image_id))
        await _unless_gone(self._call("RemoveImage", request, pb.RemoveImageResponse))

    async def mount_image(self, image: str, target: str) -> None:
        """See Runtime. A lease without end keeps the snapshot: the one that `ctr` makes by itself ends after a day."""
        lease = f"wherry{target}"
        with contextlib.suppress(processes.ProgramError):  # it is there already: an earlier try got so far
            keep = f"containerd.io/gc.ref.snapshot.overlayfs={target}"
            await processes.run(self._ctr("leases", "create", "--id", lease, "--expires", "0", keep))
        try:
            await processes.run(self._ctr("images", "mount", image, target))
        except processes.ProgramError as error:
            raise RuntimeFault(str(error)) from error

    async def unmount_image(self, target: str) -> None:
        """See Runtime."""
        for command in (("images", "unmount", "--rm", target), ("leases", "delete", f"wherry{target}")):
            with contextlib.suppress(processes.ProgramError):
                await processes.run(self._ctr(*command))

    def _ctr(self, *words: str) -> list[str]:
        return ["ctr", "--address", self._socket, "--namespace", "k8s.io", *words]

    async def image_usage(self) -> Usage:
        """See Runtime."""
        answer = await self._call("ImageFsInfo", pb.ImageFsInfoRequest(), pb.ImageFsInfoResponse)
        first = answer.image_filesystems[0] if answer.image_filesystems else pb.FilesystemUsage()
        return Usage(sum(one.used_bytes.value for one in answer.image_filesystems), first.fs_id.mountpoint)

    async def changes(self) -> AsyncIterator[str]:
        """See Runtime. Raises RuntimeFault when the connection breaks; call again then."""
        subscribe: Callable[..., Any] = self._channel.unary_stream(
            _EVENTS, request_serializer=_subscription, response_deserializer=_event
        )
        try:
            async for namespace, container in subscribe(_FILTERS, wait_for_ready=True):
                if namespace == "k8s.io":
                    yield container
        except grpc.aio.AioRpcError as error:
            raise RuntimeFault(error.details() or str(error.code()), error.code().name.lower()) from error


async def _unless_gone(call: Awaitable[object]) -> None:
    try:
        await call
    except RuntimeFault as fault:
        if fault.code != "not_found":
            raise


def _subscription(filters: tuple[str, ...]) -> bytes:
    """SubscribeRequest{repeated string filters = 1}."""
    return b"".join(b"\x0a" + bytes([len(text)]) + text.encode() for text in filters)


def _fields(data: bytes) -> dict[int, bytes]:
    """The last length-delimited value of every field of a protobuf message; numbers are skipped."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        tag, at = decoder._DecodeVarint(data, at)  # type: ignore[attr-defined]
        kind = tag & 7
        if kind == 0:
            _, at = decoder._DecodeVarint(data, at)  # type: ignore[attr-defined]
        elif kind == 2:
            size, at = decoder._DecodeVarint(data, at)  # type: ignore[attr-defined]
            found[tag >> 3] = data[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4
    return found


def _event(data: bytes) -> tuple[str, str]:
    """Envelope{2: namespace, 3: topic, 4: Any{2: value}}; field 1 of task events is the container's id."""
    envelope = _fields(data)
    inner = _fields(_fields(envelope.get(4, b"")).get(2, b""))
    return envelope.get(2, b"").decode(), inner.get(1, b"").decode()
