"""Values sealed at rest: AES-256-GCM under the keys of one file, of which the newest seals and every one opens."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wherry.host import files


class Sealer:
    """Values at rest under AES-256-GCM. The file holds one 32-byte key a line (hex), newest first; the newest seals.

    A sealed value is `MAGIC | 4 bytes key id | 12 bytes nonce | ciphertext and tag`; the store key it belongs to is
    authenticated with it, so a value cannot be moved to another key.
    """

    MAGIC = b"\x00wherry-aesgcm1"

    def __init__(self, keys: Path) -> None:
        self._keys: dict[bytes, AESGCM] = {}
        for line in keys.read_text().split():
            raw = bytes.fromhex(line)
            self._keys[_key_id(raw)] = AESGCM(raw)
        self.newest = next(iter(self._keys))

    def seal(self, key: str, value: bytes) -> bytes:
        """Encrypt a value that will be stored under `key`."""
        nonce = os.urandom(12)
        return self.MAGIC + self.newest + nonce + self._keys[self.newest].encrypt(nonce, value, key.encode())

    def unseal(self, key: str, sealed: bytes) -> bytes:
        """Decrypt; a value that was never sealed comes back as it is.

        Raises cryptography's InvalidTag (tampered, or moved from another key), KeyError (its key was removed).
        """
        if not sealed.startswith(self.MAGIC):
            return sealed
        at = len(self.MAGIC)
        return self._keys[sealed[at : at + 4]].decrypt(sealed[at + 4 : at + 16], sealed[at + 16 :], key.encode())


def ensure_seal_key(path: Path) -> bool:
    """Make the file of sealing keys if there is none."""
    if path.exists():
        return False
    files.write(path, os.urandom(32).hex() + "\n")
    return True


def _key_id(raw: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(raw)
    return digest.finalize()[:4]
