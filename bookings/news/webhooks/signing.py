"""Secrets and signatures according to the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"

# The length of the hash; the specification asks for 24 to 64.
SECRET_BYTES = 32


def make_secret() -> str:
    """A random secret, as the receiver gets it: `whsec_` and the bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def hint_of(secret: str) -> str:
    """The secret's last four characters, by which people tell secrets apart."""
    return secret.rstrip("=")[-4:]


def headers_of(
    *, webhook_id: str, timestamp_s: int, body: bytes, secrets: Iterable[str]
) -> dict[str, str]:
    """The headers that prove the sender and the time of these bytes, signed with each secret.

    An id must not contain a full stop, which separates the signed parts.
    """
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{_sign(signed, secret)}" for secret in secrets),
    }


def _sign(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
