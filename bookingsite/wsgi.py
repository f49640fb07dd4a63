"""What gunicorn serves."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")


class Request(WSGIRequest):
    """One whose content type Django cannot read is made without it, and refused with its body.

    Django reads the URL's query by the coding that is named there, before any middleware is
    asked, and an error would be answered by gunicorn: `charset=rot13` is no coding of texts.
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


django.setup(set_prefix=False)
application = Handler()
