"""The cluster's keys: made once, private, renewed in time, re-issued when names change, trusted end to end."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from wherry.host import keys
from wherry.host.pairs import pair

NAMES = ("localhost", "kubernetes")
ADDRESSES = ("127.0.0.1", "10.96.0.1")
YEAR = 365 * 86400.0


@dataclass
class Calendar:
    """A clock that stands where it is put."""

    at: float = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def fingerprints(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Run a TLS handshake in memory; the common name of the client's certificate as the server verified it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    pending = [ours, theirs, ours, theirs]
    for side in pending:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = theirs.getpeercert(binary_form=True)
    assert der is not None
    (common_name,) = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common_name.value)


def test_everything_is_private_and_made_only_once(tmp_path: Path) -> None:
    pki = keys.Pki(tmp_path / "pki", Calendar())
    assert pki.ensure(NAMES, ADDRESSES)
    before = fingerprints(pki.folder)
    assert not pki.ensure(reversed(NAMES), ADDRESSES)
    assert fingerprints(pki.folder) == before
    assert stat.S_IMODE(pki.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in pki.folder.iterdir()} == {0o600}


def test_a_new_address_reissues_only_the_serving_certificate(tmp_path: Path) -> None:
    pki = keys.Pki(tmp_path, Calendar())
    pki.ensure(NAMES, ADDRESSES)
    before = fingerprints(tmp_path)
    assert pki.ensure(NAMES, (*ADDRESSES, "192.0.2.7"))
    changed = {name for name, content in fingerprints(tmp_path).items() if before[name] != content}
    assert changed == {"apiserver.crt", "apiserver.key"}
    assert not pki.ensure(NAMES, ADDRESSES)  # it may name more than is needed


@pytest.mark.parametrize(("years", "renewed"), [(0.6, False), (0.7, True)])
def test_leaves_are_renewed_at_two_thirds_of_their_life(tmp_path: Path, years: float, renewed: bool) -> None:
    calendar = Calendar()
    pki = keys.Pki(tmp_path, calendar)
    pki.ensure(NAMES, ADDRESSES)
    calendar.at += years * YEAR
    assert pki.ensure(NAMES, ADDRESSES) is renewed


def test_a_renewed_authority_still_vouches_for_what_it_signed(tmp_path: Path) -> None:
    calendar = Calendar()
    pki = keys.Pki(tmp_path, calendar)
    pki.ensure(NAMES, ADDRESSES)
    old = pki.admin.certificate.read_bytes()
    before = pki.ca.certificate_pem()
    calendar.at += 7 * YEAR
    assert pki.ca.ensure()
    assert pki.ca.certificate_pem() != before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca.files.certificate)
    x509.load_pem_x509_certificate(old).verify_directly_issued_by(
        x509.load_pem_x509_certificate(pki.ca.certificate_pem())
    )


def test_server_and_clients_trust_each_other(tmp_path: Path) -> None:
    clock = keys_clock()
    pki = keys.Pki(tmp_path / "server", clock)
    pki.ensure(NAMES, ADDRESSES)
    pki.ensure_node(tmp_path / "node", "n1", ("192.0.2.1",))
    server = keys.server_context([pki.ca.files.certificate], require_client=False)
    keys.Served(server, pki.server)
    client = keys.client_context(tmp_path / "node" / "ca.crt", pair(tmp_path / "node", "client"))
    assert handshake(server, client, "localhost") == "system:node:n1"
    agent = keys.server_context([tmp_path / "node" / "ca.crt"], require_client=True)
    keys.Served(agent, pair(tmp_path / "node", "server"))
    towards = keys.client_context(pki.ca.files.certificate, pki.agent_client)
    assert handshake(agent, towards, "n1") == "wherry-apiserver"


def test_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    clock = keys_clock()
    ours, strangers = keys.Pki(tmp_path / "a", clock), keys.Pki(tmp_path / "b", clock)
    ours.ensure(NAMES, ADDRESSES)
    strangers.ensure(NAMES, ADDRESSES)
    server = keys.server_context([ours.ca.files.certificate], require_client=False)
    keys.Served(server, ours.server)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, keys.client_context(strangers.ca.files.certificate, None), "localhost")


def test_a_running_server_takes_up_a_renewed_certificate(tmp_path: Path) -> None:
    pki = keys.Pki(tmp_path, Calendar())
    pki.ensure(NAMES, ADDRESSES)
    served = keys.Served(keys.server_context([], require_client=False), pki.server)
    assert not served.refresh()
    pki.ensure(NAMES, (*ADDRESSES, "192.0.2.7"))
    assert served.refresh()
    assert not served.refresh()


def keys_clock() -> Calendar:
    """The real date: OpenSSL checks validity against the machine's clock."""
    import time

    return Calendar(time.time())
