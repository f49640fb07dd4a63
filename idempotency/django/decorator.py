"""The decorator for plain views of Django."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from idempotency.django.payloads import payload_of
from idempotency.django.requests import Keyed, target_in_url, user_of
from idempotency.outcomes import Idempotency

View = Callable[..., HttpResponseBase]

# Methods that change nothing, and run the view each time.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


def idempotent(
    idempotency: Idempotency,
    operation: str,
    *,
    caller: Callable[[HttpRequest], str | None] = user_of,
    target: Callable[..., str] = target_in_url,
    derive: Callable[[HttpRequest], Any] | None = None,
) -> Callable[[View], View]:
    """Runs a view at most once for each caller and Idempotency-Key; repeats get its first answer.

        @require_POST
        @idempotent(keyed, "issue_voucher")
        def issue_voucher(request): ...

    Put it closest to the view: what another decorator answers is then not kept. GET, HEAD, OPTIONS
    and TRACE run the view each time. A store with transactions may run the view more than once, and
    undoes all runs but one, so a view does nothing outside its store's transaction.

    The view finds its KeyedRequest as `request.keyed`. The parameters are explained at `Keyed`. On
    a class use `method_decorator(idempotent(…), name="post")`, and for REST framework use
    `IdempotentMixin`.
    """
    keyed = Keyed(idempotency, operation, caller=caller, target=target, derive=derive)

    def wrap(view: View) -> View:
        if iscoroutinefunction(view):
            raise TypeError("A view under an idempotency key must not be async.")

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not isinstance(request, HttpRequest):
                raise TypeError(
                    "@idempotent is for plain views of Django. Use IdempotentMixin for views of "
                    "REST framework."
                )
            if request.method in SAFE_METHODS:
                return view(request, *args, **kwargs)
            method = (request.method or "").lower()
            return keyed.answer(
                request,
                lambda: payload_of(request),
                lambda: view(request, *args, **kwargs),
                part="" if method == "post" else method,
                target=keyed.target(*args, **kwargs),
            )

        return answer

    return wrap
