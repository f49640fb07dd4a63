"""Idempotency keys: read the header, make a key if there is none, and compute digests.

The header follows draft-ietf-httpapi-idempotency-key-header, which makes it a structured-field
string (RFC 9651, section 3.3.3). Most clients send the bare form, which is accepted, too.
"""

import hashlib
import json
import re
from typing import Any

from idempotency.errors import InvalidKey

# The prefix of server-made keys. Clients may not use it for their own keys.
SERVER_MADE = "auto:"

MAX_LENGTH = 255

# Visible ASCII except the quote and the backslash, which belong to the quoted form, and the comma:
# a WSGI server joins two headers of one name with a comma, so a bare one may separate two keys.
_BARE = re.compile(r"""[!#-+\--\[\]-~]+""")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')

# Made once, since each digest and each fingerprint needs it.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def read_key(header: str | None, *, accept_server_made: bool = False) -> str | None:
    """The key in the header's value, or None if the header was not sent.

    `abc` and `"abc"` are the same key. Raises InvalidKey for a header that is empty, doubled, too
    long or malformed. Also raises it for the reserved prefix `auto:`, unless `accept_server_made`
    is set: a client that sent no key confirms with the key that the server made.
    """
    if header is None:
        return None
    header = header.strip(" \t")
    if quoted := _QUOTED.fullmatch(header):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(header):
        key = header
    else:
        raise InvalidKey(InvalidKey.__doc__)
    if len(key) > MAX_LENGTH:
        raise InvalidKey(InvalidKey.__doc__)
    if key.startswith(SERVER_MADE) and not accept_server_made:
        raise InvalidKey(
            f"Keys that start with {SERVER_MADE} are made by the server; choose another key."
        )
    return key


def write_key(key: str) -> str:
    """The header's value for a key: bare if that can be read back, else quoted."""
    if _BARE.fullmatch(key):
        return key
    return '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'


def make_key(*parts: Any) -> str:
    """A key for a request without one: the same key for the same JSON-like parts."""
    return SERVER_MADE + hashlib.sha256(canonical(parts)).hexdigest()


def is_server_made(key: str) -> bool:
    """Whether `make_key` made it."""
    return key.startswith(SERVER_MADE)


def digest_of(*, caller: str, operation: str, target: str, key: str) -> str:
    """The name under which a key is claimed: SHA-256 (hex) of caller, operation, target and key.

    It contains the caller, so no caller can replay another one's answer. It contains operation and
    target, so one key can create a booking and then confirm it. Raises ValueError for no caller:
    all requests without one would share their answers.
    """
    if not isinstance(caller, str) or not caller:
        raise ValueError(f"A key belongs to its caller, and {caller!r} names none.")
    return hashlib.sha256(canonical([caller, operation, target, key])).hexdigest()


def fingerprint_of(payload: Any) -> str:
    """SHA-256 (hex) of the received JSON. The order of its members does not matter."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def canonical(value: Any) -> bytes:
    """The same bytes for equal JSON values. Lone surrogates stay as escapes."""
    return _ENCODER.encode(value).encode()
