"""What a request asks for, as a JSON-like value: the same for the same form sent again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def payload_of(request: HttpRequest) -> dict[str, Any]:
    """The URL's query, and the body: parsed JSON, a form's fields and files, or else a digest of
    its bytes.

    The boundary of a multipart form is another each time, so its bytes say nothing. Django reads
    forms of POST only.
    """
    return with_query(request, _body_of(request))


def with_query(request: Any, body: Any) -> dict[str, Any]:
    """A body together with what the URL's query asks for."""
    return {"query": request.META.get("QUERY_STRING", ""), "body": body}


def _body_of(request: HttpRequest) -> Any:
    if request.method == "POST" and request.content_type in FORMS:
        return json_like({"fields": request.POST, "files": fields_of(request.FILES)})
    try:
        return json.loads(request.body)
    except ValueError:
        return {"sha256": hashlib.sha256(request.body).hexdigest()}


def fields_of(form: Any) -> dict[str, list[Any]]:
    """All values of each field."""
    return {name: list(values) for name, values in form.lists()}


def json_like(value: Any) -> Any:
    """The value with files as digests of their bytes, and other objects as their text."""
    if isinstance(value, UploadedFile):
        digest = hashlib.sha256()
        for chunk in value.chunks():
            digest.update(chunk)
        return {"name": value.name, "sha256": digest.hexdigest()}
    if isinstance(value, QueryDict):
        return json_like(fields_of(value))
    if isinstance(value, Mapping):
        return {str(name): json_like(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_like(each) for each in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
