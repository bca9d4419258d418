"""A key per person, wrapped by the vault's own: erase the key, and the person's values are gone."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consent.errors import ConsentError

NONCE_BYTES = 12


class KeyRing:
    """Seals and opens values with AES-256-GCM under keys wrapped by `vault_key`."""

    def __init__(self, vault_key: str) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"sidecoach vault wrapping 1")
        self._wrapping = AESGCM(derived.derive(vault_key.encode()))

    def new_key(self) -> bytes:
        """A fresh key, wrapped; store it as it is."""
        return _seal(self._wrapping, AESGCM.generate_key(256), b"key")

    def seal(self, wrapped: bytes, value: str, *, label: str) -> bytes:
        return _seal(self._unwrap(wrapped), value.encode(), label.encode())

    def open(self, wrapped: bytes, sealed: bytes, *, label: str) -> str:
        """The value; raises ConsentError when key, label or value do not belong together."""
        return _open(self._unwrap(wrapped), sealed, label.encode()).decode()

    def _unwrap(self, wrapped: bytes) -> AESGCM:
        return AESGCM(_open(self._wrapping, wrapped, b"key"))


def _seal(key: AESGCM, value: bytes, label: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, value, label)


def _open(key: AESGCM, sealed: bytes, label: bytes) -> bytes:
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label)
    except InvalidTag as exc:
        raise ConsentError("a sealed value does not open with this key") from exc
