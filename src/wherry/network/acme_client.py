"""One account at one ACME authority, in calls that block: for threads. The protocol is certbot's library.

https://www.rfc-editor.org/rfc/rfc8555. Import it when ACME is used: the library and what it needs take 13 MiB.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from wherry.aio.clock import Clock
from wherry.api.networking.site_certificates import Refused

_TIMEOUT = 10
_GLANCE = 1.5
"""Seconds that one look at an order may take."""
_LIMITED = 3600.0
"""Seconds to wait where an authority says that it was asked too often, but not for how long."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """For `host`, `token` must be answered with `answer`."""

    host: str
    token: str
    answer: str
    challenge: messages.ChallengeBody
    response: challenges.KeyAuthorizationChallengeResponse


@dataclass(frozen=True, slots=True)
class Pending:
    """An order that waits for its proofs; `key` is the new certificate's, PEM."""

    order: messages.OrderResource
    proofs: tuple[Proof, ...]
    key: bytes


class Session:
    """An account at work. All methods block, and raise Refused with what the authority said."""

    def __init__(self, directory: str, contact: str, authorities: str, account: Path, clock: Clock) -> None:
        """`authorities`: file of those who vouch for the ACME server itself, "" for the usual ones. `account`: key."""
        self._clock, self._directory = clock, directory
        self._after = 0.0
        private = load_pem_private_key(account.read_bytes(), None)
        self._key = JWKEC(key=private)
        self._net = client.ClientNetwork(
            self._key,
            alg=ES256,
            verify_ssl=authorities or True,  # type: ignore[arg-type]  # requests takes a path, too
            user_agent="wherry",
            timeout=_TIMEOUT,
        )
        self._net.session.hooks["response"].append(self._heard)
        with self._refusals():
            self._client = client.ClientV2(client.ClientV2.get_directory(directory, self._net), self._net)
            self._register(contact)

    def _register(self, contact: str) -> None:
        asked = messages.NewRegistration.from_data(email=contact, terms_of_service_agreed=True)
        try:
            self._client.new_account(asked)
        except errors.ConflictError as known:  # this key has an account
            self._net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())

    def begin(self, names: Sequence[str]) -> Pending:
        """Order a certificate for these names, with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(key, hashes.SHA256())
        )
        with self._refusals():
            order = self._client.new_order(request.public_bytes(Encoding.PEM))
            proofs = tuple(self._proof(one) for one in order.authorizations if one.body.status != messages.STATUS_VALID)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Pending(order, proofs, pem)

    def _proof(self, authorization: messages.AuthorizationResource) -> Proof:
        host = str(authorization.body.identifier.value)
        for offered in authorization.body.challenges:
            if isinstance(offered.chall, challenges.HTTP01):
                response, answer = offered.chall.response_and_validation(self._key)
                token = offered.chall.encode("token")
                if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
                    raise Refused(f"the authority's token for {host} is none")
                return Proof(host, token, str(answer), offered, response)
        raise Refused(f"the authority does not take HTTP-01 as proof for {host}")

    def accept(self, pending: Pending) -> None:
        """Tell the authority that it may look."""
        with self._refusals():
            for proof in pending.proofs:
                self._client.answer_challenge(proof.challenge, proof.response)

    def proven(self, pending: Pending) -> bool:
        """Whether it has seen everything that it wanted to."""
        done = True
        with self._refusals():
            for one in pending.order.authorizations:
                body = self._client.poll(one)[0].body
                if body.status in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
                    done = False
                elif body.status != messages.STATUS_VALID:
                    raise Refused(f"{body.identifier.value} is not proven: {_failure(body)}")
        return done

    def request(self, pending: Pending) -> None:
        """Everything is proven: ask for the certificate."""
        with self._refusals():
            try:
                self._client.begin_finalization(pending.order)
            except messages.Error as error:
                if error.code != "orderNotReady":
                    raise

    def fetch(self, pending: Pending) -> bytes | None:
        """The certificate with its chain, PEM; None while there is none yet."""
        deadline = datetime.fromtimestamp(self._clock.now() + _GLANCE)  # noqa: DTZ006 - as the library has it
        with self._refusals():
            try:
                chain = self._client.poll_finalization(pending.order, deadline).fullchain_pem.encode()
            except errors.TimeoutError:
                return None
            x509.load_pem_x509_certificates(chain)
            return bytes(chain)

    def _heard(self, response: requests.Response, *_: object, **__: object) -> None:
        said = response.headers.get("Retry-After", "") if response.status_code >= 400 else ""
        if said.isascii() and said.isdigit():
            self._after = float(said[:9])
        elif said:
            try:
                self._after = email.utils.parsedate_to_datetime(said).timestamp() - self._clock.now()
            except ValueError:
                self._after = 0.0

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the library raises, as Refused."""
        self._after = 0.0
        try:
            yield
        except messages.Error as error:
            after = self._after or (_LIMITED if error.code == "rateLimited" else 0.0)
            raise Refused(f"the authority says {_said(error)}", after) from error
        except errors.IssuanceError as error:
            raise Refused(f"the authority says {_said(error.error)}", self._after) from error
        except OSError as error:
            raise Refused(f"{self._directory} cannot be asked: {error}", self._after) from error
        except (errors.Error, JoseError, ValueError, KeyError, AttributeError) as error:
            raise Refused(f"{self._directory} does not speak ACME: {error!r}", self._after) from error


def _failure(body: messages.Authorization) -> str:
    found = [one.error for one in body.challenges if one.error is not None]
    return _said(found[0]) if found else f"it is {body.status.name}"


def _said(error: messages.Error) -> str:
    """`dns: no address for shop.example.org; ...`."""
    parts = [error, *(error.subproblems or ())]
    return "; ".join(f"{one.code or one.typ}: {one.detail}" for one in parts)
