"""The application that gunicorn serves."""

import os
from typing import Any

import django
from django.core.cache import close_caches
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")


class Request(WSGIRequest):
    """A request that survives a content type Django cannot read.

    Django decodes the URL's query with the declared charset before any middleware runs, and
    `charset=rot13` is no text encoding. gunicorn would answer that error. So the request is built
    without its content type, marked unreadable, and refused by bodies.py.
    """

    is_readable = True

    def __init__(self, environ: dict[str, Any]) -> None:
        try:
            super().__init__(environ)
        except (LookupError, ValueError):
            super().__init__({**environ, "CONTENT_TYPE": ""})
            self.is_readable = False


class Handler(WSGIHandler):
    request_class = Request


# Before and after each request Django asks whether a connection should be closed. The backends for
# MongoDB and Redis keep pools, and their `close` does nothing; queries are not written down outside
# DEBUG.
for signal, receivers in (
    (request_started, (close_old_connections, reset_queries)),
    (request_finished, (close_old_connections, close_caches)),
):
    for receiver in receivers:
        signal.disconnect(receiver)

django.setup(set_prefix=False)
application = Handler()
