"""A container's environment from all its sources, and $(VAR) in its command, arguments and values.

Sources in order, later ones win: services of the namespace, envFrom, env.
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import EnvFromSource, EnvVarSource, FileKeySelector, Service
from wherry.host import mounts
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource
from wherry.node import envfile, fieldrefs
from wherry.node.hooks.hook import Hook, HookFault, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
Kind = TypeVar("Kind", bound=Object)


def expand(text: str, values: Mapping[str, str]) -> str:
    """$(VAR) by its value; $$ is a literal $; what is not known stays as it is."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return values.get(found[1], found[0])

    return _REFERENCE.sub(one, text)


def service_variables(services: Iterable[Service]) -> dict[str, str]:
    """The variables by which containers found services before there was DNS."""
    found: dict[str, str] = {}
    for service in services:
        address, ports = service.spec.cluster_ip, service.spec.ports
        if address in ("", "None") or not ports:
            continue
        name = service.metadata.name.upper().replace("-", "_")
        host = f"[{address}]" if ":" in address else address
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0].port)
        for port in ports:
            if port.name:
                found[f"{name}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        for index, port in enumerate(ports):
            protocol = port.protocol or "TCP"
            url = f"{protocol.lower()}://{host}:{port.port}"
            prefix = f"{name}_PORT_{port.port}_{protocol}"
            if index == 0:
                found[f"{name}_PORT"] = url
            found |= {
                prefix: url, f"{prefix}_PROTO": protocol.lower(), f"{prefix}_PORT": str(port.port),
                f"{prefix}_ADDR": address,
            }  # fmt: skip
    return found


async def fetch(scope: Scope, resource: Resource[Kind], name: str, *, optional: bool | None) -> Kind | None:
    """An object of the pod's namespace; None when it is missing and may be. Raises HookFault."""
    try:
        return await scope.client.get(resource, Key(scope.pod.metadata.namespace, name))
    except NotFound as error:
        if optional:
            return None
        raise HookFault(f'{resource.singular} "{name}" not found') from error


class Environment(Hook):
    """Contributes only; makes nothing."""

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """Variables, and the command they occur in."""
        values = service_variables(self._services(scope))
        for source in starting.spec.env_from:
            values |= await _all_of(scope, source)
        own: dict[str, str] = {}
        for variable in starting.spec.env:
            if variable.value_from is not None:
                text = await _from(scope, starting.spec, variable.value_from)
                if text is not None:
                    own[variable.name] = text
            else:
                own[variable.name] = expand(variable.value, {**values, **own})
        values |= own
        return replace(
            config,
            env=tuple(values.items()),
            command=tuple(expand(one, values) for one in config.command),
            args=tuple(expand(one, values) for one in config.args),
        )

    def _services(self, scope: Scope) -> tuple[Service, ...]:
        found = scope.services.of(scope.pod.metadata.namespace)
        if scope.pod.spec.enable_service_links is False:
            found = tuple(
                one for one in found if (one.metadata.namespace, one.metadata.name) == ("default", "kubernetes")
            )
        return found


async def _all_of(scope: Scope, source: EnvFromSource) -> dict[str, str]:
    """Every key of a ConfigMap or Secret, prefixed."""
    found: dict[str, str] = {}
    if source.config_map_ref is not None:
        ref = source.config_map_ref
        held = await fetch(scope, CONFIGMAP, ref.name, optional=ref.optional)
        found = dict(held.data) if held else {}
    if source.secret_ref is not None:
        secret = await fetch(scope, SECRET, source.secret_ref.name, optional=source.secret_ref.optional)
        found = {key: _text(value) for key, value in secret.data.items()} if secret else {}
    return {source.prefix + key: value for key, value in found.items() if "=" not in key}


async def _from(scope: Scope, spec: Spec, source: EnvVarSource) -> str | None:
    """The value a variable refers to; None when it is missing and may be."""
    if source.config_map_key_ref is not None:
        ref = source.config_map_key_ref
        held = await fetch(scope, CONFIGMAP, ref.name, optional=ref.optional)
        value = held.data.get(ref.key) if held else None
        return _needed(scope, value, f"key {ref.key} in ConfigMap", ref.name, optional=ref.optional)
    if source.secret_key_ref is not None:
        key = source.secret_key_ref
        secret = await fetch(scope, SECRET, key.name, optional=key.optional)
        data = secret.data.get(key.key) if secret else None
        text = None if data is None else _text(data)
        return _needed(scope, text, f"key {key.key} in Secret", key.name, optional=key.optional)
    if source.file_key_ref is not None:
        return await asyncio.to_thread(_from_file, scope, source.file_key_ref)
    try:
        if source.field_ref is not None:
            path = source.field_ref.field_path
            return fieldrefs.field_value(scope.pod, path, scope.config.addresses, scope.ips)
        if source.resource_field_ref is not None:
            ref_ = source.resource_field_ref
            return fieldrefs.resource_value(scope.pod, spec, ref_, scope.machine.allocatable)
    except fieldrefs.UnknownField as error:
        raise HookFault(str(error)) from error
    return None


MAX_FILE = 64 * 1024


def _from_file(scope: Scope, ref: FileKeySelector) -> str | None:
    """A variable of a file in a volume, which a container may have written: never followed out of the volume."""
    own = scope.folder / "volumes" / ref.volume_name
    try:
        descriptor = mounts.beneath(own.resolve(), ref.path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(MAX_FILE).decode("utf-8", "replace")
        value = envfile.parse(text).get(ref.key, "")
    except (OSError, envfile.BadEnvFile) as error:
        if ref.optional and isinstance(error, FileNotFoundError):
            return None
        raise HookFault("couldn't parse env file") from error
    if not value and not ref.optional:
        raise HookFault(f'environment variable key "{ref.key}" not found in file "{ref.path}"')
    return value or None


def _needed(scope: Scope, value: str | None, what: str, name: str, *, optional: bool | None) -> str | None:
    if value is None and not optional:
        raise HookFault(f"couldn't find {what} {scope.pod.metadata.namespace}/{name}")
    return value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
