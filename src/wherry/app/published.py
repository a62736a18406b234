"""Objects that the server itself publishes: there, and as they should be."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.client.interface import Client
from wherry.machinery.errors import AlreadyExists, NotFound
from wherry.machinery.meta import Key, T
from wherry.machinery.resource import Resource


async def ensure(client: Client, resource: Resource[T], wanted: T) -> T:
    """The object as it is, made if it is missing. Raises APIError."""
    key = Key(wanted.metadata.namespace, wanted.metadata.name)
    try:
        return await client.get(resource, key)
    except NotFound:
        try:
            return await client.create(resource, wanted)
        except AlreadyExists:
            return await client.get(resource, key)


async def match(client: Client, resource: Resource[T], wanted: T) -> None:
    """Create it, or make everything but its metadata as wanted. Raises APIError."""
    present = await ensure(client, resource, wanted)
    desired = replace(wanted, metadata=present.metadata)
    if desired != present:
        await client.replace(resource, desired)
