"""A keyed request of Django: its key, its caller, and the view as the effect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest, ImproperlyConfigured
from django.db import connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from idempotency import keys
from idempotency.answers import Answer
from idempotency.django.responses import add_headers, read_answer, refuse, rendered, send
from idempotency.errors import IdempotencyError, MissingKey, NoCaller
from idempotency.outcomes import Idempotency, KeyedRequest, Refused

HEADER = "Idempotency-Key"


def user_of(request: Any) -> str | None:
    """The logged-in user as `user:ID`, or None."""
    user = getattr(request, "user", None)
    return f"user:{user.pk}" if user is not None and user.is_authenticated else None


def target_in_url(*args: Any, **kwargs: Any) -> str:
    """The arguments from the URL, such as `pk=7`."""
    return urlencode({**{str(place): value for place, value in enumerate(args)}, **kwargs})


@dataclass(frozen=True)
class Keyed:
    """How an endpoint reads its key. `operation` names what is done, the same for ever.

    `caller` returns who asks, so that no caller replays another's answer. If it returns None or an
    empty text, the request is refused. `target` gets the view's arguments from the URL, and returns
    the id of what is changed. `derive` gets the request, and returns what makes two requests
    without a key the same wish, such as their payload (`payload_of`: the URL's query and the body);
    without it they are refused.

    The URL's path and the host do not count: two URLs with one operation and the same arguments
    share their keys. If the host names a tenant, put it into the caller:

        def caller(request):
            user = user_of(request)
            return user and f"{user} at {request.get_host()}"

    If an argument of the URL names it, `target` has it already; one of your own must keep it.
    """

    idempotency: Idempotency
    operation: str
    caller: Callable[[Any], str | None] = user_of
    target: Callable[..., str] = target_in_url
    derive: Callable[[Any], Any] | None = None

    def answer(
        self,
        request: Any,
        read_payload: Callable[[], Any],
        view: Callable[[], HttpResponseBase],
        *,
        part: str,
        target: str,
    ) -> HttpResponse:
        """Runs the view at most once for the request's key, and sends its answer.

        The request that ran the view gets its response as it is. A repeat gets the answer: the same
        status and bytes, and the headers that are kept. A response with status 400 or above is a
        refusal, and what its view wrote in the store's transaction is undone. What the view raises
        is raised, and leaves the key free. `part` is the method or action, if the endpoint has
        several: each has its own operation.
        """
        _refuse_outer_transaction()
        response: HttpResponse | None = None
        unreadable: Exception | None = None

        def read() -> Any:
            """A digest, since only this shows that the payload is JSON-like. One that cannot be
            read is like no other: a replay says so, and otherwise its error is raised."""
            nonlocal unreadable
            try:
                return {"payload": keys.fingerprint_of(read_payload())}
            except RecursionError:
                unreadable = BadRequest("The payload is nested too deeply.")
            except Exception as error:
                unreadable = error
            return {"unreadable": True}

        def effect(keyed: KeyedRequest) -> Answer:
            nonlocal response
            if unreadable is not None:
                # Once reading has failed, Django and REST framework show views an empty form.
                raise unreadable
            _rewind_files(request)
            request.keyed = keyed
            response = rendered(view())
            answer = read_answer(response)
            if answer.status >= 400:
                raise Refused(answer)
            return answer

        try:
            caller = self.caller(request)
            if not caller:
                raise NoCaller
            key = keys.read_key(request.headers.get(HEADER))
            if key is None:
                if self.derive is None:
                    raise MissingKey
                key = keys.make_key(caller, self.derive(request))
            operation = f"{self.operation}.{part}" if part else self.operation
            digest = keys.digest_of(caller=caller, operation=operation, target=target, key=key)
            outcome = self.idempotency.run(key, digest, read, effect)
        except IdempotencyError as error:
            return refuse(error)
        if response is None or outcome.replayed:
            return send(outcome)
        return add_headers(response, outcome)


def _refuse_outer_transaction() -> None:
    """Raises ImproperlyConfigured inside a transaction of Django's, except those of its TestCase.

    The answer would be remembered before the effect is committed, and a repeat would hear of a
    success even after a rollback.
    """
    for connection in connections.all(initialized_only=True):
        blocks: list[Any] = connection.atomic_blocks
        if blocks and not blocks[-1]._from_testcase:
            raise ImproperlyConfigured(
                "A view under an idempotency key must not run inside a transaction: put "
                "@transaction.non_atomic_requests on it (for ATOMIC_REQUESTS), and "
                "transaction.atomic() into it."
            )


def _rewind_files(request: Any) -> None:
    """A store may run the view again, which must find each uploaded file unread."""
    for _, files in request.FILES.lists():
        for file in files:
            file.seek(0)
