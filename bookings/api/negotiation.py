"""Chooses renderer and parser, at once for what nearly every client sends.

The framework parses and orders the media types of each request. Programs ask for anything or for
JSON, and the result is the same without that work.
"""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class QuickNegotiation(DefaultContentNegotiation):
    """The framework's own negotiation, with a short cut to the first renderer and parser."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first, *_ = renderers = list(renderers)
        media_type = str(first.media_type)
        accepted = request.META.get("HTTP_ACCEPT", "*/*")
        # `format` in the query chooses a renderer, too, however it is spelt.
        query = request.META.get("QUERY_STRING", "")
        may_choose = format_suffix or "format" in query or "%" in query
        if accepted in ("*/*", media_type) and not may_choose:
            return first, media_type
        return super().select_renderer(request, renderers, format_suffix)

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        first, *_ = parsers = list(parsers)
        if request.content_type == first.media_type:
            return first
        chosen: Any = super().select_parser(request, parsers)
        return chosen
