"""Answers to the pages' own script: open a page, show an error, or send the form again.

static/sending.js sends forms as the browser would and reads these answers. A form sent by the
browser itself gets a redirect or a page.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse


def is_scripted(request: HttpRequest) -> bool:
    """Whether the script sent this form."""
    return request.headers.get("Accept", "") == "application/json"


def go(request: HttpRequest, url: str, *, error: str | None = None) -> HttpResponse:
    """Leads to another page, which shows the error if there is one."""
    if error:
        messages.error(request, error)
    if is_scripted(request):
        return JsonResponse({"location": url})
    return HttpResponseRedirect(url)


def ask_again(*, code: str, sentence: str, status: int, retry_after_s: int | None) -> HttpResponse:
    """Tells the script to send the same form again, after a wait."""
    response = JsonResponse({"code": code, "message": sentence, "retry": True}, status=status)
    if retry_after_s is not None:
        response["Retry-After"] = str(retry_after_s)
    return response


def tell_fault(
    *, code: str, sentence: str, status: int, errors: dict[str, Any] | None = None
) -> HttpResponse:
    """Says what is wrong and with which fields. The form keeps its values."""
    return JsonResponse({"code": code, "message": sentence, "errors": errors or {}}, status=status)
