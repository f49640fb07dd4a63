"""Compresses the answers for which that pays.

The length of a compressed answer tells whether a word in it repeats another. Someone who sees the
wire, and can make a browser ask for pages with guesses in them, could find out a secret of the same
page letter by letter (BREACH). So nothing is compressed unless its view asks for it: a page that
repeats nothing of the request, or an answer to a program, which no other site can make ask. The
length also has a random part. docs/decisions/0045 says what pays.
"""

import gzip
import io
import re
import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

# Smaller answers travel in one round trip, compressed or not.
SMALLEST_BYTES = 4_096

# A tenth larger than at the usual level, in a third of the time.
_LEVEL = 1

_RANDOM_BYTES = 100

_ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


def compress(
    request: HttpRequest,
    response: HttpResponse,
    *,
    packed_by: Callable[[bytes], bytes] | None = None,
) -> None:
    """Compresses the body if it is large and the client accepts gzip.

    `packed_by` may return what `pack` made of the same body before, if no secret is in it.
    """
    if len(response.content) < SMALLEST_BYTES or response.has_header("Content-Encoding"):
        return
    patch_vary_headers(response, ("Accept-Encoding",))
    if not _ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")):
        return
    response.content = (packed_by or pack)(response.content)
    response["Content-Encoding"] = "gzip"
    if response.has_header("Content-Length"):
        response["Content-Length"] = str(len(response.content))


def pack(body: bytes) -> bytes:
    """The body as gzip, with a file name of random length in front."""
    packed = io.BytesIO()
    name = "a" * secrets.randbelow(_RANDOM_BYTES)
    with gzip.GzipFile(name, "wb", _LEVEL, packed, mtime=0) as file:
        file.write(body)
    return packed.getvalue()
