"""Answers as responses of Django, and responses as answers."""

import json
from http import HTTPStatus

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from idempotency.answers import Answer
from idempotency.errors import IdempotencyError
from idempotency.outcomes import KeyedOutcome

# Headers of a response that are part of its answer: they say what its bytes are, or where to go on.
# Others, such as cookies, belong to one request.
KEPT_HEADERS = (
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "ETag",
    "Last-Modified",
    "Link",
    "Location",
)

PROBLEM_JSON = "application/problem+json"


def send(outcome: KeyedOutcome) -> HttpResponse:
    """A response with the outcome's exact bytes, and headers that say where they come from."""
    answer = outcome.answer
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    if not answer.content_type:
        del response["Content-Type"]  # an answer without a body may have none
    return add_headers(response, outcome)


def add_headers(response: HttpResponse, outcome: KeyedOutcome) -> HttpResponse:
    """The response with the outcome's headers."""
    for name, value in outcome.headers().items():
        response[name] = value
    return response


def rendered(response: HttpResponseBase) -> HttpResponse:
    """The response with its bytes. Raises TypeError if it streams, since its bytes are unknown."""
    if not isinstance(response, HttpResponse):
        if isinstance(response, HttpResponseBase):
            response.close()
        raise TypeError(
            f"A view under an idempotency key returned {type(response).__name__}. Return an "
            "HttpResponse that does not stream, since its bytes are kept."
        )
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return response


def read_answer(response: HttpResponse, *, fingerprint: str = "") -> Answer:
    """What is kept of a response.

    An effect that writes its answer itself passes `request.keyed.fingerprint`.
    """
    return Answer(
        status=response.status_code,
        body=response.content,
        content_type=response.headers.get("Content-Type", ""),
        fingerprint=fingerprint,
        headers=tuple((name, response[name]) for name in KEPT_HEADERS if name in response),
    )


def refuse(error: IdempotencyError) -> HttpResponse:
    """The error as application/problem+json (RFC 9457), with the member `code`."""
    detail = str(error)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": detail,
        "code": error.code,
    }
    response = HttpResponse(json.dumps(body), status=error.status, content_type=PROBLEM_JSON)
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    return response
