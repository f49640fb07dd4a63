"""The decorator for plain views of Django."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from idempotency.django.payloads import payload_of
from idempotency.django.requests import Keyed, user_of
from idempotency.outcomes import Idempotency, KeyedRequest

View = Callable[..., HttpResponseBase]


def idempotent(
    idempotency: Idempotency,
    operation: str,
    *,
    caller: Callable[[HttpRequest], str | None] = user_of,
    target: Callable[..., str] | None = None,
    derive: Callable[[HttpRequest], Any] | None = None,
) -> Callable[[View], Callable[..., HttpResponse]]:
    """Runs a view at most once for each caller and Idempotency-Key; repeats get its first answer.

        @require_POST
        @idempotent(keyed, "issue_voucher")
        def issue_voucher(request): ...

    The view finds its KeyedRequest as `request.keyed`. `target` gets the view's arguments from the
    URL. The rest is explained at `Keyed`.
    """
    keyed = Keyed(idempotency, operation, caller=caller, target=target, derive=derive)

    def wrap(view: View) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            def run(of: KeyedRequest) -> HttpResponseBase:
                request.keyed = of  # type: ignore[attr-defined]
                return view(request, *args, **kwargs)

            return keyed.answer(
                request, lambda: payload_of(request), run, keyed.target_of(*args, **kwargs)
            )

        return answer

    return wrap
