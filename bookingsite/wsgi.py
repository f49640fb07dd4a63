"""The application that gunicorn serves."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

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


# Before and after each request Django asks whether a connection should be closed. The backend for
# MongoDB keeps a pool, and its `close` does nothing.
for signal in (request_started, request_finished):
    signal.disconnect(close_old_connections)

django.setup(set_prefix=False)
application = Handler()
