"""The HTTP entry of a real cluster: hosts, paths, TLS with renewal, changes under load, requests that wait."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.manifests import deployment, service
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
Json = dict[str, Any]


def ingress(name: str, host: str, paths: list[tuple[str, str, str]], **spec: Any) -> Json:
    notes = spec.pop("annotations", {})
    rule = {
        "host": host,
        "http": {
            "paths": [
                {"path": path, "pathType": kind, "backend": {"service": {"name": to, "port": {"number": 80}}}}
                for path, kind, to in paths
            ]
        },
    }
    if not host:
        del rule["host"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": notes},
        "spec": {"rules": [rule], **spec},
    }


def pair(name: str) -> tuple[bytes, bytes]:
    """A certificate for `name`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def secret(name: str, certificate: bytes, key: bytes) -> Json:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name}, "data": data}


class Site:
    """What a test asks of the entry."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def apply(self, *items: Json) -> None:
        for item in items:
            self.kubectl("apply", "-f", "-", stdin=json.dumps(item))

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.cluster.kubectl("-n", self.namespace, *words, stdin=stdin)

    def web(self, *names: str) -> None:
        """Deployments that answer with their name, each with a Service."""
        for name in names:
            self.apply(deployment(name, version=name), service(name))
        for name in names:
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")

    def get(self, host: str, path: str, **headers: str) -> tuple[int, str]:
        """Status and first word of the answer."""
        connection = http.client.HTTPConnection(self.cluster.address, 80, timeout=90)
        try:
            connection.request("GET", path, headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode().split(" ")[0].strip()
        finally:
            connection.close()

    def until(self, host: str, path: str, wanted: tuple[int, str], seconds: float = 10) -> float:
        """Seconds until the answer is as wanted."""
        began = time.monotonic()
        while True:
            try:
                seen: Any = self.get(host, path)
            except OSError as error:
                seen = error
            if seen == wanted:
                return time.monotonic() - began
            assert time.monotonic() - began < seconds, seen
            time.sleep(0.01)

    def certificate(self, host: str) -> bytes:
        """What is shown to those who ask for this host, in DER."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((self.cluster.address, 443), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            found = wrapped.getpeercert(binary_form=True)
            assert found is not None
            return found


@pytest.fixture
def site(cluster: Cluster, namespace: str) -> Iterator[Site]:
    """The entry, with a namespace of its own."""
    made = Site(cluster, namespace)
    yield made
    made.kubectl("delete", "ingress", "--all")


def test_hosts_and_paths(site: Site) -> None:
    site.web("one", "two", "three")
    site.apply(
        ingress("a", "a.test", [("/", "Prefix", "one"), ("/two", "Prefix", "two"), ("/two/three", "Exact", "three")]),
        ingress("w", "*.w.test", [("/", "Prefix", "two")]),
        ingress("named", "x.w.test", [("/", "Prefix", "one")]),
    )
    site.until("a.test", "/", (200, "one"))
    site.until("x.w.test", "/", (200, "one"))  # the last of the three
    expected = {
        ("a.test", "/x"): "one",
        ("A.TEST:80", "/two"): "two",
        ("a.test", "/two/"): "two",
        ("a.test", "/twofold"): "one",
        ("a.test", "/two/three"): "three",
        ("a.test", "/two/three/"): "two",
        ("y.w.test", "/"): "two",
        ("x.w.test", "/"): "one",
    }
    assert {asked: site.get(*asked) for asked in expected} == {asked: (200, n) for asked, n in expected.items()}
    assert [site.get(host, "/")[0] for host in ("other.test", "w.test", "z.y.w.test")] == [404, 404, 404]
    address = site.kubectl("get", "ingress/a", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
    assert address == site.cluster.address
    took = site.until("late.test", "/", (404, "no"))
    began = time.monotonic()
    site.apply(ingress("late", "late.test", [("/", "Prefix", "three")]))
    site.until("late.test", "/", (200, "three"))
    assert time.monotonic() - began < 5, took


def test_older_ingresses_keep_what_they_claim(site: Site) -> None:
    site.web("one", "two")
    site.apply(ingress("first", "c.test", [("/", "Prefix", "one")]))
    site.until("c.test", "/", (200, "one"))
    time.sleep(1.1)  # creation times have whole seconds
    site.apply(ingress("second", "c.test", [("/", "Prefix", "two"), ("/own", "Prefix", "two")]))
    site.until("c.test", "/own", (200, "two"))
    assert site.get("c.test", "/") == (200, "one")
    events = ""
    for _ in range(50):
        events = site.kubectl("get", "events", "-o", "jsonpath={.items[*].message}")
        if "c.test/ is served by" in events:
            break
        time.sleep(0.1)
    assert "c.test/ is served by" in events


def test_certificates_are_renewed_while_they_are_served(site: Site) -> None:
    site.web("one")
    certificate, key = pair("s.test")
    site.apply(
        secret("s", certificate, key),
        ingress("s", "s.test", [("/", "Prefix", "one")], tls=[{"hosts": ["s.test"], "secretName": "s"}]),
    )
    site.until("s.test", "/", (308, ""))
    shown = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    for _ in range(100):
        if site.certificate("s.test") == shown:
            break
        time.sleep(0.1)
    assert site.certificate("s.test") == shown
    assert site.certificate("unknown.test") != shown
    site.apply(secret("s", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", key))
    time.sleep(1)
    assert site.certificate("s.test") == shown
    told = ""
    for _ in range(50):
        told = site.kubectl("get", "events", "--field-selector=reason=Refused", "-o", "jsonpath={.items[*].message}")
        if "tls.crt is not a PEM certificate" in told:
            break
        time.sleep(0.1)
    assert "the Secret 's' is not served: tls.crt is not a PEM certificate" in told
    newer, newer_key = pair("s.test")
    site.apply(secret("s", newer, newer_key))
    wanted = x509.load_pem_x509_certificate(newer).public_bytes(Encoding.DER)
    for _ in range(100):
        if site.certificate("s.test") == wanted:
            break
        time.sleep(0.1)
    assert site.certificate("s.test") == wanted


def secure_get(site: Site, host: str, context: ssl.SSLContext) -> bytes:
    """The whole answer to `GET /`; what went wrong, where the certificate is not trusted or nobody answers."""
    try:
        with (
            socket.create_connection((site.cluster.address, 443), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            wrapped.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return b"".join(iter(lambda: wrapped.recv(4096), b""))
    except OSError as error:
        return repr(error).encode()


def test_a_site_has_a_certificate_at_once(site: Site) -> None:
    """Nobody made a Secret, and whoever trusts the cluster's authority of sites sees the site."""
    site.web("one")
    site.apply(ingress("o", "o.test", [("/", "Prefix", "one")], tls=[{"hosts": ["o.test"]}]))
    context = ssl.create_default_context(cadata=site.cluster.wherry("site-ca"))
    answer = b""
    for _ in range(100):
        answer = secure_get(site, "o.test", context)
        if answer.startswith(b"HTTP/1.1 200"):
            break
        time.sleep(0.1)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert answer.split(b"\r\n\r\n")[1].startswith(b"one")
    mark = site.kubectl("get", "secret/o-wherry-tls", "-o", r"jsonpath={.metadata.annotations.wherry\.dev/issued-by}")
    assert mark == "own"
    assert "there is no Secret" not in site.kubectl("get", "events")
    site.kubectl("delete", "ingress/o")
    site.kubectl("wait", "--for=delete", "secret/o-wherry-tls", "--timeout=20s")


def test_requests_wait_for_an_application_that_wakes_up(site: Site) -> None:
    site.web("one")
    site.kubectl("scale", "deployment/one", "--replicas=0")
    site.apply(ingress("h", "h.test", [("/", "Prefix", "one")], annotations={"wherry.dev/hold-seconds": "60"}))
    site.apply(ingress("n", "n.test", [("/", "Prefix", "one")]))
    site.until("n.test", "/", (503, "<html><body><h1>503"))
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(site.get("h.test", "/"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert answers == []
    site.kubectl("scale", "deployment/one", "--replicas=1")
    for thread in threads:
        thread.join()
    assert answers == [(200, "one")] * 5


class Clients:
    """Four clients of one host, two of which keep their connections."""

    def __init__(self, site: Site, host: str) -> None:
        self._site, self._host = site, host
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(keep,)) for keep in (True, True, False, False)]
        self.failures: list[object] = []
        self.count = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            try:
                connection = connection or http.client.HTTPConnection(self._site.cluster.address, 80, timeout=10)
                connection.request("GET", "/", headers={"Host": self._host})
                answer = connection.getresponse()
                answer.read()
                self.failures += [answer.status] if answer.status != 200 else []
                self.count += 1
                if not keep or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
            time.sleep(0.01)
        if connection is not None:
            connection.close()


def test_no_request_fails_while_everything_changes(site: Site) -> None:
    site.web("one")
    site.apply(ingress("l", "l.test", [("/", "Prefix", "one")]))
    site.until("l.test", "/", (200, "one"))
    with Clients(site, "l.test") as clients:
        site.kubectl("rollout", "restart", "deployment/one")
        site.kubectl("rollout", "status", "deployment/one", "--timeout=60s")
        for n in range(40):  # more than there are spare backends: a new configuration is needed
            notes = {"wherry.dev/timeout-seconds": str(n + 1)}
            site.apply(ingress(f"m{n}", f"m{n}.test", [("/", "Prefix", "one")], annotations=notes))
        site.until("m39.test", "/", (200, "one"))
        for replicas in ("3", "1"):
            site.kubectl("scale", "deployment/one", f"--replicas={replicas}")
            site.kubectl("rollout", "status", "deployment/one", "--timeout=60s")
        time.sleep(1)
    assert clients.failures == []
    assert clients.count > 100
