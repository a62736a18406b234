"""A real API server on a free port with throw-away keys, for tests of anything that talks to one.

async with running_apiserver(tmp_path) as server:
    client = server.client()                 # in process, as system:masters
    await server.kubectl("get", "pods")      # the real kubectl over HTTPS
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wherry.aio.clock import Clock, SystemClock
from wherry.apiserver.aggregation.remotes import FrontProxy
from wherry.apiserver.apiserver import ApiServer, ApiServerConfig
from wherry.apiserver.authn.requestheader import RequestHeader
from wherry.apiserver.authn.user import User, known
from wherry.client.interface import Client
from wherry.store.log import Log
from wherry.store.memory import MemoryLog

KUBECTL = Path(__file__).parents[2] / ".venv/bin/kubectl"
ADMIN = known("kubernetes-admin", "system:masters")


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A throw-away certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "test-ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = folder / "ca.crt"
        self.certificate.write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))
        (folder / "ca.key").write_bytes(private_pem(self._key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    def issue(
        self, common_name: str, organizations: Sequence[str] = (), *, server: bool = False, hosts: Sequence[str] = ()
    ) -> Pair:  # fmt: skip
        """A certificate with its key, for clients or (with `server`) for localhost and these `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(x509.Name(names), key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if server:
            alternatives: list[x509.GeneralName] = [
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            ]
            alternatives += [_alternative(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        stem = common_name.replace(":", "-")
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        pair.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        pair.key.write_bytes(private_pem(key))
        return pair


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PKCS 8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(slots=True)
class Ran:
    """What a command printed."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Running:
    """A started server and ways to reach it."""

    server: ApiServer
    authority: Authority
    folder: Path

    @property
    def url(self) -> str:
        """`https://127.0.0.1:PORT`."""
        return f"https://127.0.0.1:{self.server.port}"

    def client(self, user: User = ADMIN) -> Client:
        """An in-process client."""
        return self.server.client(user)

    def tls(self, name: str = "kubernetes-admin", groups: Sequence[str] = ("system:masters",)) -> ssl.SSLContext:
        """TLS settings of a client with a certificate; "" for none."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if name:
            pair = self.authority.issue(name, groups)
            context.load_cert_chain(str(pair.certificate), str(pair.key))
        return context

    def kubeconfig(self, name: str = "kubernetes-admin", groups: Sequence[str] = ("system:masters",)) -> Path:
        """A kubeconfig file for a user."""
        pair = self.authority.issue(name, groups)
        path = self.folder / f"{name.replace(':', '-')}.kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {"server": self.url, "certificate-authority": str(self.authority.certificate)},
                        }
                    ],
                    "users": [
                        {
                            "name": "me",
                            "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
                        }
                    ],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
                    "current-context": "test",
                }
            )
        )
        return path

    async def kubectl(self, *arguments: str, stdin: str = "", user: str = "kubernetes-admin") -> Ran:
        """Run the real kubectl as an administrator, or as another user without groups."""
        config = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        if not config.exists():
            self.kubeconfig(user, ("system:masters",) if user == "kubernetes-admin" else ())
        process = await asyncio.create_subprocess_exec(
            str(KUBECTL), "--kubeconfig", str(config), "--cache-dir", str(self.folder / "cache"), *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        return Ran(process.returncode or 0, out.decode(), err.decode())


def settings(folder: Path, port: int = 0) -> tuple[ApiServerConfig, Authority]:
    """A configuration with new keys under a folder."""
    authority = Authority(folder / "pki")
    pair = authority.issue("wherry-apiserver-serving", server=True)
    token_key = folder / "pki" / "tokens.key"
    token_key.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    front = Authority(folder / "front-proxy", "test-front-proxy-ca")
    config = ApiServerConfig(
        certificate=pair.certificate, key=pair.key, client_ca=authority.certificate, token_keys=(token_key,),
        host="127.0.0.1", port=port, proxies=(RequestHeader(front.certificate, ("front-proxy-client",)),),
        front_proxy=FrontProxy(*front.issue("front-proxy-client")),
    )  # fmt: skip
    return config, authority


@asynccontextmanager
async def running_apiserver(
    folder: Path, *, log: Log | None = None, clock: Clock | None = None, port: int = 0, **more: Any
) -> AsyncIterator[Running]:
    """Start an API server over `log` (default: one in memory) and stop it afterwards; `more` is of its settings."""
    config, authority = settings(folder, port)
    config = replace(config, **more)
    server = ApiServer(config, log or MemoryLog(), clock or SystemClock())
    await server.start()
    try:
        yield Running(server, authority, folder)
    finally:
        await server.stop()


async def _serve(folder: Path, port: int) -> None:
    async with running_apiserver(folder, port=port) as running:
        print(running.kubeconfig(), running.url, flush=True)  # noqa: T201 - a tool for people
        await asyncio.Event().wait()


if __name__ == "__main__":
    import sys

    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
