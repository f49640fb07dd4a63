"""An application that fails outside Django, for the tests of the worker."""

from __future__ import annotations

from typing import Any

import django

django.setup()  # the worker's own problem documents need it


def application(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path.endswith("/before-the-head"):
        raise RuntimeError
    headers = [("Content-Length", "2")]
    if path.endswith("/bad-header"):
        headers.append(("X-Bad", "a\x01b"))
    start_response("200 OK", headers)
    return [b"ok"]
