"""Signatures on receipts: Ed25519, by a key that follows from the vault's own."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from consent.errors import ReceiptInvalid
from consent.keys import derive
from consent.models import SigningKey

ALGORITHM = "Ed25519"


def sign(content: bytes) -> dict[str, str]:
    """The signature as it stands in a receipt; its public key is kept, so that it verifies ever."""
    private = Ed25519PrivateKey.from_private_bytes(
        derive(settings.VAULT_KEY, "sidecoach receipts 1")
    )
    public = private.public_key().public_bytes_raw()
    key_id = _id(public)
    SigningKey.objects.get_or_create(id=key_id, defaults={"public": public})
    return {
        "algorithm": ALGORITHM,
        "key_id": key_id,
        "public_key": public.hex(),
        "value": private.sign(content).hex(),
    }


def check(content: bytes, signature: dict[str, str]) -> None:
    """Raises ReceiptInvalid unless one of our keys, past ones included, signed exactly this."""
    try:
        public = bytes.fromhex(signature["public_key"])
        value = bytes.fromhex(signature["value"])
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(value, content)
    except (KeyError, ValueError, TypeError) as exc:
        raise ReceiptInvalid("the signature cannot be read") from exc
    except InvalidSignature as exc:
        raise ReceiptInvalid("the signature does not fit: the document was changed") from exc
    # Anybody can sign with a key of their own; what counts is whose it is.
    known = SigningKey.objects.filter(id=signature.get("key_id"), public=public)
    if not known.exists():
        raise ReceiptInvalid("it is signed, but not by a key of ours")


def _id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]
