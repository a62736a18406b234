"""An entry with a real HAProxy: whatever a Secret becomes, what was served before goes on, and the cause is told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.host.network.gateway_entry import port
from tests.support.fakeapi import FakeAPI
from tests.unit.network.objects import endpoint, service, slice_of
from tests.unit.network.test_ingress_routes import ingress
from wherry.aio.clock import SystemClock
from wherry.api.core.event import EVENT
from wherry.api.core.node import NODE
from wherry.api.core.secret import SECRET
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, Gateway, GatewayClass, GatewayClassSpec
from wherry.api.gateway.world import CONTROLLER as SERVER
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import CONTROLLER, DEFAULT_ANNOTATION, INGRESSCLASS
from wherry.api.types.core import Secret
from wherry.api.types.networking import IngressClass, IngressClassSpec, IngressTLS
from wherry.host import users
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import ObjectMeta
from wherry.network.ingress.config import Shape
from wherry.network.ingress.entry import Entry, remove
from wherry.network.neighbours import Neighbours
from wherry.reconcile.cache import Caches, Pace

pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]
AUTHORITY = ec.generate_private_key(ec.SECP256R1())
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey


def pair(name: str, key: Private | None = None) -> dict[str, bytes]:
    """A certificate that an authority has signed, and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(AUTHORITY, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"tls.crt": made.public_bytes(Encoding.PEM), "tls.key": private}


class Door:
    """An entry over an API of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.api, self.clock = FakeAPI(), SystemClock()
        self.shape = Shape(folder, http=port(), https=port(), user=users.first("haproxy", "nobody"))

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[Entry]:
        """The entry, as long as an agent runs; HAProxy outlives it."""
        caches = Caches((NODE, SERVICE, ENDPOINTSLICE))
        entry = Entry(self.api, self.clock, caches, "n1", self.shape, Neighbours(caches, "n1"))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(caches.follow(self.api, self.clock, Pace(self.clock))), group.create_task(entry.run())
            ]  # fmt: skip
            yield entry
            for task in tasks:
                task.cancel()

    async def put(self, name: str, data: dict[str, bytes]) -> None:
        """A Secret, new or another."""
        made = Secret(metadata=ObjectMeta(name=name, namespace="d"), type="kubernetes.io/tls", data=data)
        known = (await self.api.list(SECRET)).items
        if any(one.metadata.name == name for one in known):
            await self.api.replace(SECRET, made)
        else:
            await self.api.create(SECRET, made)

    async def site(self, name: str) -> None:
        """An Ingress with TLS."""
        tls = (IngressTLS(hosts=(f"{name}.test",), secret_name=name),)
        await self.api.create(INGRESS, ingress(name, (f"{name}.test", "/", "Prefix"), spec={"tls": tls}))

    async def gateway(self, host: str, secret: str) -> None:
        """A Gateway with TLS."""
        listener = {
            "name": "l", "port": self.shape.https, "protocol": "HTTPS", "hostname": host,
            "tls": {"certificateRefs": [{"name": secret}]},
        }  # fmt: skip
        spec = {"gatewayClassName": "w", "listeners": [listener]}
        kind = GatewayClass(metadata=ObjectMeta(name="w"), spec=GatewayClassSpec(controller_name=SERVER))
        await self.api.create(GATEWAYCLASS, kind)
        made = from_dict(Gateway, {"metadata": {"name": "g", "namespace": "d"}, "spec": spec})
        await self.api.create(GATEWAY, made)

    async def shown(self, host: str) -> bytes:
        """The certificate for a host, DER; nothing where nobody answers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.shape.https, ssl=context, server_hostname=host)
        except OSError:
            return b""
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return found

    async def told(self) -> list[str]:
        """What Events say."""
        return [one.message for one in (await self.api.list(EVENT)).items]


def der(data: dict[str, bytes]) -> bytes:
    return x509.load_pem_x509_certificate(data["tls.crt"]).public_bytes(Encoding.DER)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    made = Door(tmp_path)
    meta = ObjectMeta(name="wherry", annotations={DEFAULT_ANNOTATION: "true"})
    await made.api.create(INGRESSCLASS, IngressClass(metadata=meta, spec=IngressClassSpec(controller=CONTROLLER)))
    await made.api.create(SERVICE, service())
    await made.api.create(ENDPOINTSLICE, slice_of(endpoint("10.244.0.2")))
    yield made
    await asyncio.to_thread(remove, made.shape)


async def until(good: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await good():  # noqa: ASYNC110 - HAProxy and the API are asked
            await asyncio.sleep(0.05)


async def test_whatever_a_secret_becomes(door: Door) -> None:
    good, other = pair("a.test"), pair("b.test")
    async with door.agent() as entry:
        await door.put("a", good)
        await door.site("a")
        await until(lambda: serves(door, "a", good))
        for bad, why in (
            ({"tls.crt": b"nonsense", "tls.key": good["tls.key"]}, "tls.crt is not a PEM certificate"),
            ({"tls.crt": good["tls.crt"], "tls.key": b"nonsense"}, "tls.key is not a PEM private key"),
            ({"tls.crt": good["tls.crt"], "tls.key": other["tls.key"]}, "tls.key is not the key of the certificate"),
            ({"tls.crt": good["tls.crt"]}, "tls.key is missing or empty"),
            (pair("a.test", rsa.generate_private_key(65537, 1024)), "a key of 1024 bits, which is too weak"),
            (pair("a.test", ec.generate_private_key(ec.SECP192R1())), "the curve secp192r1, which is too weak"),
            (pair("a.test", x25519.X25519PrivateKey.generate()), "HAProxy refuses its certificate"),
        ):
            await door.put("a", bad)
            await until(lambda why=why: says(door, why))  # type: ignore[misc]  # bound now
            assert await door.shown("a.test") == der(good), why
        # others are served meanwhile
        await door.put("b", other)
        await door.site("b")
        await until(lambda: serves(door, "b", other))
        assert entry.problem == ""
        # an agent that starts again knows what was served, and takes nothing away
    watching = asyncio.ensure_future(watch(door, "a.test", der(good)))
    async with door.agent():
        await door.put("b", pair("b.test"))
        await until(lambda: differs(door, "b", other))
        renewed = pair("a.test")
        assert not watching.done(), watching.result()
        watching.cancel()
        assert await door.shown("a.test") == der(good)
        await door.put("a", renewed)
        await until(lambda: serves(door, "a", renewed))


async def test_the_certificate_of_a_gateway_becomes_unreadable(door: Door) -> None:
    good, renewed = pair("a.test"), pair("a.test")
    await door.put("s", good)
    await door.gateway("a.test", "s")
    async with door.agent():
        await until(lambda: serves(door, "a", good))
        await door.put("s", {"tls.crt": b"nonsense", "tls.key": good["tls.key"]})
        await door.put("other", pair("other.test"))
        await door.site("other")
        await until(lambda: differs(door, "other", good))
        assert await door.shown("a.test") == der(good)
    async with door.agent():
        await until(lambda: serves(door, "a", good))
        await door.put("s", renewed)
        await until(lambda: serves(door, "a", renewed))


async def test_one_that_haproxy_refuses_does_not_keep_it_from_beginning(door: Door) -> None:
    good = pair("a.test")
    await door.put("a", good)
    await door.put("b", pair("b.test", x25519.X25519PrivateKey.generate()))
    async with door.agent() as entry:
        for name in ("b", "a"):
            await door.site(name)
        await until(lambda: serves(door, "a", good))
        await until(lambda: says(door, "the Secret 'b' is not served: HAProxy refuses its certificate"))
        await asyncio.to_thread(remove, door.shape)  # begins anew with both in the files
        await until(lambda: serves(door, "a", good))
        assert entry.problem == ""


async def serves(door: Door, name: str, wanted: dict[str, bytes]) -> bool:
    return await door.shown(f"{name}.test") == der(wanted)


async def differs(door: Door, name: str, before: dict[str, bytes]) -> bool:
    return await door.shown(f"{name}.test") not in (b"", der(before))


async def says(door: Door, why: str) -> bool:
    return any(why in one for one in await door.told())


async def watch(door: Door, host: str, wanted: bytes) -> bytes:
    """The first other certificate that is shown."""
    while True:
        found = await door.shown(host)
        if found != wanted:
            return found
