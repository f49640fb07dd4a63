"""The mixin for views of Django REST framework."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from idempotency.django.payloads import json_like
from idempotency.django.requests import Keyed
from idempotency.django.responses import send
from idempotency.outcomes import KeyedOutcome, KeyedRequest

METHODS = ("POST", "PATCH")


class IdempotentMixin(APIView):
    """Runs POST and PATCH of an APIView at most once for each caller and Idempotency-Key.

        class VouchersView(IdempotentMixin, APIView):
            keyed = Keyed(idempotency, "issue_voucher")

            def post(self, request): ...

    Authentication, permissions and throttles come first. The handler finds its KeyedRequest as
    `request.keyed`. A view without `keyed` claims its key itself, deep in its domain, and returns
    a KeyedOutcome, which is sent in the same form.
    """

    keyed: ClassVar[Keyed | None] = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        handler = getattr(self, method.lower(), None)
        if self.keyed and method in METHODS and handler is not None:
            setattr(self, method.lower(), partial(self._answer, self.keyed, handler))

    def _answer(
        self,
        keyed: Keyed,
        handler: Callable[..., HttpResponseBase],
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        def run(of: KeyedRequest) -> HttpResponseBase:
            request.keyed = of  # type: ignore[attr-defined]
            try:
                response = handler(request, *args, **kwargs)
            except (APIException, Http404, PermissionDenied) as error:
                # All others pass: the store may wait for one.
                response = self.handle_exception(error)
            if isinstance(response, Response):
                super(IdempotentMixin, self).finalize_response(request, response, *args, **kwargs)
                response.render()
            return response

        return keyed.answer(request, lambda: _read(request), run, keyed.target_of(*args, **kwargs))

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        if isinstance(response, KeyedOutcome):
            response = send(response)
        return super().finalize_response(request, response, *args, **kwargs)


def _read(request: Request) -> Any:
    """The payload. One that cannot be read is like no other; the handler says why."""
    try:
        return json_like(request.data)
    except APIException:
        return {"unreadable": True}
