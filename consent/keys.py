"""A key per person, wrapped by the vault's own: erase the key, and the person's values are gone."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consent.errors import ConsentError

NONCE_BYTES = 12


class KeyRing:
    """Seals and opens values with AES-256-GCM under keys wrapped by `vault_key`.

    Keys wrapped by one of `before` still open, so that the vault's own can be changed under way.
    """

    def __init__(self, vault_key: str, *before: str) -> None:
        self._wrapping = _wrapping(vault_key)
        self._before = tuple(_wrapping(key) for key in before)

    def new_key(self) -> bytes:
        """A fresh key, wrapped; store it as it is."""
        return _seal(self._wrapping, AESGCM.generate_key(256), b"key")

    def rewrap(self, wrapped: bytes) -> bytes | None:
        """The same key under the vault's present one; None where it is that already."""
        try:
            _open(self._wrapping, wrapped, b"key")
        except ConsentError:
            return _seal(self._wrapping, self._opened(wrapped), b"key")
        return None

    def seal(self, wrapped: bytes, value: str, *, label: str) -> bytes:
        return _seal(AESGCM(self._opened(wrapped)), value.encode(), label.encode())

    def open(self, wrapped: bytes, sealed: bytes, *, label: str) -> str:
        """The value; raises ConsentError when key, label or value do not belong together."""
        return _open(AESGCM(self._opened(wrapped)), sealed, label.encode()).decode()

    def _opened(self, wrapped: bytes) -> bytes:
        for wrapping in self._before:
            try:
                return _open(wrapping, wrapped, b"key")
            except ConsentError:
                continue
        return _open(self._wrapping, wrapped, b"key")


def derive(secret: str, purpose: str) -> bytes:
    """32 bytes of this secret for one purpose. Source: HKDF, RFC 5869."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret.encode())


def _wrapping(vault_key: str) -> AESGCM:
    return AESGCM(derive(vault_key, "sidecoach vault wrapping 1"))


def _seal(key: AESGCM, value: bytes, label: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, value, label)


def _open(key: AESGCM, sealed: bytes, label: bytes) -> bytes:
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label)
    except InvalidTag as exc:
        raise ConsentError("a sealed value does not open with this key") from exc
