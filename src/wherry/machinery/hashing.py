"""Hashes that become part of names: the same template gives the same hash on every run and machine.

`template_hash` labels ReplicaSets, DaemonSet and StatefulSet revisions. It need not equal upstream's, which hashes Go's
memory layout: it is 32 bits of BLAKE2b over the template's JSON (defaults left out, maps sorted), spelled in the
alphabet of generated names. Fields added to the schema later do not change it while they are unset.
"""

from __future__ import annotations

import hashlib

import msgspec

from wherry.machinery.names import ALPHABET

_ENCODER = msgspec.json.Encoder(enc_hook=str, order="deterministic")


def template_hash(template: object, collision_count: int | None = None) -> str:
    """Hash of any API object or builtins; `collision_count` as in a Deployment's status makes another one."""
    turn = b"" if collision_count is None else str(collision_count).encode()
    digest = hashlib.blake2b(_ENCODER.encode(template) + turn, digest_size=4).digest()
    return safe_encode(str(int.from_bytes(digest, "big")))


def safe_encode(text: str) -> str:
    """Text in the letters of generated names; digits stay distinct, so numbers do."""
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in text.encode())
