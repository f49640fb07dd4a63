"""Idempotency keys: reading the header, making a key where there is none, and the digest.

The header's form follows draft-ietf-httpapi-idempotency-key-header, which makes it a
structured-field string (RFC 9651, section 3.3.3); the bare form is what most clients send.
"""

import hashlib
import json
import re
from typing import Any

from idempotency.errors import InvalidKey

# A key the server made starts with this, and no client may send one of its own.
SERVER_MADE = "auto:"

MAX_LENGTH = 255

# Visible ASCII without the quote and the backslash, which belong to the quoted form, and
# without the comma: a WSGI server joins two headers of one name with it, so that a bare
# comma cannot be told from a second key.
_BARE = re.compile(r"""[!#-+\--\[\]-~]+""")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')


def read_key(header: str | None, *, accept_server_made: bool = False) -> str | None:
    """The key in the header's value, or None when the header was not sent.

    `abc` and `"abc"` are one key. Raises InvalidKey for an empty, doubled, over-long or
    otherwise unreadable header, and for the reserved prefix `auto:` unless it is accepted,
    as it is where a booking made without a key is confirmed with the key it was given.
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
        raise InvalidKey(f"Keys that start with {SERVER_MADE} are made by the server.")
    return key


def write_key(key: str) -> str:
    """The header's value for a key: bare where that can be read back, else quoted."""
    if _BARE.fullmatch(key):
        return key
    return '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'


def make_key(*parts: Any) -> str:
    """The same key for the same JSON-like parts, for a request that brought none."""
    return SERVER_MADE + hashlib.sha256(canonical(parts)).hexdigest()


def is_server_made(key: str) -> bool:
    """Whether `make_key` made it."""
    return key.startswith(SERVER_MADE)


def digest_of(*, caller: str, operation: str, target: str, key: str) -> str:
    """The name under which the key is claimed: SHA-256 (hex) of who, what, on what, and key.

    With the caller in it nobody can replay another's answer; with operation and target, one
    key serves creating a booking and confirming it.
    """
    return hashlib.sha256(canonical([caller, operation, target, key])).hexdigest()


def fingerprint_of(payload: Any) -> str:
    """SHA-256 (hex) of the received JSON, whatever the order of its members."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def canonical(value: Any) -> bytes:
    """One spelling for equal JSON values. Lone surrogates are kept as escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
