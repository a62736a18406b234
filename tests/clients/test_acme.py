"""ACME against pebble: orders, what authorities and entries get wrong, and a whole cluster that gets a certificate."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from tests.clients.pebble import Pebble
from tests.host.shows.test_ingress import Site, ingress, secure_get
from tests.support import image
from wherry.aio.clock import SystemClock
from wherry.api.networking.site_certificates import Refused
from wherry.host.keys import Pki
from wherry.network import acme as orders
from wherry.network.acme import Account, Acme
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]
PORT = 5002
NAMES = ("shop.example.org", "www.shop.example.org")


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with Pebble(tmp_path_factory.mktemp("pebble"), address="127.0.0.1", http_port=PORT, sites="127.0.0.1") as it:
        yield it


class Entries:
    """Stands for HAProxy on every node: answers what was published."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.history: list[int] = []

    async def publish(self, answers: Mapping[str, str]) -> Sequence[str]:
        self.answers = dict(answers)
        self.history.append(len(answers))
        return ["127.0.0.1"]

    async def serve(self, request: web.Request) -> web.Response:
        answer = self.answers.get(request.match_info["token"])
        return web.Response(status=404) if answer is None else web.Response(text=answer)


@asynccontextmanager
async def entries() -> AsyncIterator[Entries]:
    made = Entries()
    app = web.Application()
    app.router.add_get("/.well-known/acme-challenge/{token}", made.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    try:
        yield made
    finally:
        await runner.cleanup()


def client(pebble: Pebble, folder: Path, directory: str = "") -> Acme:
    pki = Pki(folder, SystemClock())
    account = Account(directory or pebble.directory, "me@example.org", pki.acme_key, str(pebble.authority), PORT)
    return Acme(account, pki.ensure_acme_key, SystemClock())


async def test_an_order(pebble: Pebble, tmp_path: Path) -> None:
    async with entries() as doors:
        chain, key = await client(pebble, tmp_path).obtain(NAMES, doors.publish)
        assert doors.history == [2, 0]
        certificates = x509.load_pem_x509_certificates(chain)
        names = certificates[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert set(names.get_values_for_type(x509.DNSName)) == set(NAMES)
        assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
        certificates[-1].verify_directly_issued_by(x509.load_pem_x509_certificate(pebble.root()))
        accounts = pebble.accounts
        again, other = await client(pebble, tmp_path).obtain(NAMES, doors.publish)  # as after a restart
        assert pebble.accounts == accounts
        assert (again != chain, other != key) == (True, True)


async def test_what_the_authority_says_is_passed_on(pebble: Pebble, tmp_path: Path) -> None:
    pebble.fail("gone.example.org")
    async with entries() as doors:
        with pytest.raises(Refused, match=r"^gone\.example\.org is not proven: connection: ") as caught:
            await client(pebble, tmp_path).obtain(("gone.example.org", "shop.example.org"), doors.publish)
        assert doors.answers == {}
        assert caught.value.after == 0
        with pytest.raises(Refused, match=r"^the authority says "):
            await client(pebble, tmp_path).obtain(("not_a_name.example.org",), doors.publish)


async def test_where_no_entry_answers_the_authority_is_not_told(
    pebble: Pebble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_ANSWERED_WITHIN", 0.5)
    doors = Entries()
    with pytest.raises(Refused, match=r"^no node answers on port 5002 "):
        await client(pebble, tmp_path).obtain(NAMES, doors.publish)
    assert doors.history == [2, 0]


@pytest.mark.parametrize(
    ("directory", "why"),
    [
        ("https://127.0.0.1:1/dir", "https://127.0.0.1:1/dir cannot be asked: "),
        ("https://127.0.0.1:14001/roots/0", "https://127.0.0.1:14001/roots/0 does not speak ACME: "),
    ],
)
async def test_what_is_no_authority(pebble: Pebble, tmp_path: Path, directory: str, why: str) -> None:
    doors = Entries()
    with pytest.raises(Refused) as caught:
        await client(pebble, tmp_path, directory).obtain(NAMES, doors.publish)
    assert str(caught.value).startswith(why)
    assert doors.history == []


def test_a_site_of_a_cluster(tmp_path: Path) -> None:
    """Only the Ingress is applied; then the site's certificate is the authority's, and trusted by who trusts that."""
    with Cluster(tmp_path / "cluster", start=False) as cluster:
        gateway = str(cluster.place.gateway)
        with Pebble(tmp_path, address=gateway, http_port=80, sites=cluster.address) as pebble:
            flags = ("--acme-email", "me@example.org", "--acme-directory", pebble.directory)
            cluster.up(*flags, "--acme-ca", str(pebble.authority))
            cluster.load_image(image.archive(tmp_path))
            site = Site(cluster, "default")
            site.web("one")
            tls = [{"hosts": [NAMES[0]], "secretName": "shop"}]
            site.apply(ingress("shop", NAMES[0], [("/", "Prefix", "one")], tls=tls))
            answer = until_trusted(site, ssl.create_default_context(cadata=pebble.root().decode()))
            assert answer.startswith(b"HTTP/1.1 200"), (answer, site.kubectl("get", "events"))
            assert "the ACME authority vouches for shop.example.org" in site.kubectl("get", "events")
            secret = json.loads(site.kubectl("get", "secret/shop", "-o", "json"))
            assert secret["metadata"]["annotations"]["wherry.dev/issued-by"] == "acme"
            answers = cluster.kubectl("-n", "kube-system", "get", "configmap/wherry-acme-answers", "-o", "json")
            assert json.loads(answers).get("data", {}) == {}
            pebble.fail("gone.example.org")
            tls = [{"hosts": ["gone.example.org"], "secretName": "gone"}]
            site.apply(ingress("gone", "gone.example.org", [("/", "Prefix", "one")], tls=tls))
            assert "gone.example.org is not proven: connection" in until_told(site)
            own = ssl.create_default_context(cadata=cluster.wherry("site-ca"))
            assert secure_get(site, "gone.example.org", own).startswith(b"HTTP/1.1 200")


def until_trusted(site: Site, context: ssl.SSLContext) -> bytes:
    answer = b""
    for _ in range(300):
        answer = secure_get(site, NAMES[0], context)
        if answer.startswith(b"HTTP/1.1 200"):
            break
        time.sleep(0.1)
    return answer


def until_told(site: Site) -> str:
    said = ""
    for _ in range(300):
        said = site.kubectl("get", "events", "--field-selector", "reason=CertificateRefused")
        if "gone" in said:
            break
        time.sleep(0.1)
    return said
