"""Values at rest: bound to their place, opened with every key of the file."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from wherry.host.sealer import Sealer, ensure_seal_key


def test_sealed_values_are_bound_to_their_key(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    assert ensure_seal_key(path)
    assert not ensure_seal_key(path)
    sealer = Sealer(path)
    sealed = sealer.seal("/secrets/a/b", b'{"password":"x"}')
    assert b"password" not in sealed
    assert sealer.unseal("/secrets/a/b", sealed) == b'{"password":"x"}'
    assert sealer.unseal("/secrets/a/b", b"{}") == b"{}"
    with pytest.raises(InvalidTag):
        sealer.unseal("/secrets/a/c", sealed)
    with pytest.raises(InvalidTag):
        sealer.unseal("/secrets/a/b", sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_rotated_key_still_opens_what_the_old_one_sealed(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    ensure_seal_key(path)
    sealed = Sealer(path).seal("/k", b"v")
    path.write_text("11" * 32 + "\n" + path.read_text())
    rotated = Sealer(path)
    assert rotated.unseal("/k", sealed) == b"v"
    assert rotated.seal("/k", b"v")[15:19] != sealed[15:19]
