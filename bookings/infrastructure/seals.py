"""Sealing secrets before they are stored, so that neither a dump nor a backup of MongoDB shows one.

A secret is needed for signing, so a digest is not enough. The keys are derived from SECRET_KEY and
SECRET_KEY_FALLBACKS; secrets that an earlier key sealed can still be opened.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """A secret cannot be read: SECRET_KEY was replaced without a fallback; make a new secret."""

    def __str__(self) -> str:
        return str(self.__doc__)


def seal(secret: str) -> str:
    """The secret, encrypted with a key from SECRET_KEY, as text to store."""
    return _keys().encrypt(secret.encode()).decode()


def open_seal(sealed: str) -> str:
    """The secret in a text that `seal` made. Raises SealBroken."""
    try:
        return _keys().decrypt(sealed).decode()
    except InvalidToken:
        raise SealBroken from None


def name_of_key() -> str:
    """A name for the SECRET_KEY that seals now, which reveals nothing about the key."""
    return _derive(settings.SECRET_KEY, b"bookings.webhooks: name of a key").hex()[:16]


def _keys() -> MultiFernet:
    return MultiFernet(
        Fernet(base64.urlsafe_b64encode(_derive(key, b"bookings.webhooks: secrets")))
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _derive(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
