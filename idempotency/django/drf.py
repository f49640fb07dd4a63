"""The mixin for views of Django REST framework."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.request import Request, is_form_media_type
from rest_framework.response import Response
from rest_framework.views import APIView

from idempotency.django.payloads import json_like, with_query
from idempotency.django.requests import Keyed
from idempotency.django.responses import send
from idempotency.errors import NoCaller
from idempotency.outcomes import KeyedOutcome

METHODS = ("POST", "PATCH")


class IdempotentMixin(APIView):
    """Runs POST and PATCH of an APIView at most once for each caller and Idempotency-Key.

        class VouchersView(IdempotentMixin, APIView):
            keyed = Keyed(idempotency, "issue_voucher")

            def post(self, request): ...

    Authentication, permissions, throttles and the choice of a renderer come first. The handler
    finds its KeyedRequest as `request.keyed`. PATCH and each action of a ViewSet have operations of
    their own, such as `issue_voucher.patch`.

    The response is rendered for the first request, and a repeat gets these bytes whatever it
    accepts. An APIException, Http404 or PermissionDenied that the handler raises is a refusal with
    the answer of the exception handler. Any other exception leaves the key free.

    A view without `keyed` claims its key itself, deep in its domain, and returns a KeyedOutcome,
    which is sent in the same form.
    """

    keyed: ClassVar[Keyed | None] = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        handler = getattr(self, method.lower(), None)
        # It is wrapped already if `dispatch` begins again on this view.
        if self.keyed and method in METHODS and handler and not isinstance(handler, partial):
            setattr(self, method.lower(), partial(self._answer, self.keyed, handler))

    def _answer(
        self,
        keyed: Keyed,
        handler: Callable[..., HttpResponseBase],
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        def run() -> HttpResponseBase:
            try:
                response = handler(request, *args, **kwargs)
            except (APIException, Http404, PermissionDenied) as error:
                # All others pass: the store may wait for one.
                response = self.handle_exception(error)
            # Chooses the renderer, and takes `Vary` out of the headers. What is sent, which may be
            # the answer of a twin, passes here again.
            headers = dict(self.headers)
            response = self.finalize_response(request, response, *args, **kwargs)
            self.headers = headers
            return response

        part = getattr(self, "action", None) or (request.method or "").lower()
        response = keyed.answer(
            request,
            lambda: payload_of(request),
            run,
            part="" if part == "post" else part,
            target=keyed.target(*args, **kwargs),
        )
        if response.status_code == NoCaller.status:
            scheme = self.get_authenticate_header(request)
            if scheme:
                response.setdefault("WWW-Authenticate", scheme)
        return response

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        if isinstance(response, KeyedOutcome):
            response = send(response)
        return super().finalize_response(request, response, *args, **kwargs)


def payload_of(request: Request) -> dict[str, Any]:
    """The URL's query, and what was parsed, with files as digests of their bytes. Raises what the
    parser raises."""
    if not is_form_media_type(request.content_type or ""):
        # Keeps the bytes for a handler that checks a signature. A form's may be too many.
        _ = request.body
    return with_query(request, json_like(request.data))
