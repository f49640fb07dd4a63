"""Reading a JSON body without letting it cost more than a booking is worth."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import exceptions as drf
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from bookings.errors import MalformedJson, PayloadTooLarge, UnsupportedMediaType

# The largest honest body (notes, guest, every field) stays under 20 kB.
MAX_BODY_BYTES = 64 * 1024

_CHUNKED_BODY = "bookingsite.chunked_body"

# A booking nests two deep. Deeper ones only exhaust the parser's stack.
MAX_DEPTH = 16


def read_json(request: Request) -> Any:
    """The request's JSON. Raises MalformedJson, PayloadTooLarge or UnsupportedMediaType.

    The framework takes a body without a length for no body at all, so one that comes in chunks
    is read here; gunicorn ends the stream with the last of them.
    """
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        try:
            return request.data
        except drf.UnsupportedMediaType as error:
            raise UnsupportedMediaType from error
    if request.content_type.partition(";")[0].strip().lower() != BoundedJSONParser.media_type:
        raise UnsupportedMediaType
    if _CHUNKED_BODY not in request.META:  # a retry's payload is looked at twice
        request.META[_CHUNKED_BODY] = request.META["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(request.META[_CHUNKED_BODY]) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return parse_json(request.META[_CHUNKED_BODY])


class BoundedJSONParser(BaseParser):
    """Strict JSON in UTF-8, at most 64 kB. Raises MalformedJson or PayloadTooLarge."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        return parse_json(body)


def parse_json(body: bytes) -> Any:
    """The JSON value in the bytes. Raises MalformedJson."""
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error


def _check_depth(text: str) -> None:
    """Counts brackets, also those in strings: a bound on nesting, found without recursion."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for sign in text:
        if in_string:
            escaped, in_string = (sign == "\\" and not escaped), not (sign == '"' and not escaped)
        elif sign == '"':
            in_string = True
        elif sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedJson(f"The body nests deeper than {MAX_DEPTH} levels.")
        elif sign in "]}":
            depth -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
