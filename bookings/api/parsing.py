"""Reads a JSON body at a bounded cost."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from bookings.api.negotiation import QuickNegotiation
from bookings.refusals import MalformedJson, UnsupportedMediaType

# A booking nests two levels deep. Deeper bodies only exhaust the parser's stack.
MAX_DEPTH = 16


def read_json(request: Request) -> Any:
    """The request's JSON value, {} if it has no body. Raises MalformedJson or UnsupportedMediaType.

    bookingsite/bodies.py has read the body, and limits its size.
    """
    body = request.body
    if not body:
        return {}
    if QuickNegotiation().select_parser(request, [BoundedJSONParser()]) is None:
        raise UnsupportedMediaType
    return parse_json(body)


class BoundedJSONParser(BaseParser):
    """Parses strict JSON in UTF-8 that is not nested deeply. Raises MalformedJson."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return parse_json(stream.read())


def parse_json(body: bytes) -> Any:
    """The JSON value in the bytes. Raises MalformedJson."""
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error


def _check_depth(text: str) -> None:
    """Raises MalformedJson if brackets nest too deeply, without recursion of its own.

    Texts with few brackets, counting those in strings, pass without a closer look.
    """
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
                raise MalformedJson(f"The body nests deeper than {MAX_DEPTH} levels; flatten it.")
        elif sign in "]}":
            depth -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
