"""A keyed request of Django: its key, its caller, and the view as the effect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from idempotency import keys
from idempotency.answers import Answer
from idempotency.django.responses import read_answer, refuse, send
from idempotency.errors import IdempotencyError, MissingKey, NoCaller
from idempotency.outcomes import Idempotency, KeyedRequest, Refused

HEADER = "Idempotency-Key"


def user_of(request: Any) -> str | None:
    """The logged-in user as `user:ID`, or None."""
    user = getattr(request, "user", None)
    return f"user:{user.pk}" if user is not None and user.is_authenticated else None


@dataclass(frozen=True)
class Keyed:
    """How an endpoint reads its key. `operation` names what is done, the same for ever.

    `caller` returns who asks, so that no caller replays another's answer, or None, which is
    refused. `target` gets the view's arguments from the URL, and returns the id of what is changed.
    `derive` returns what makes two requests without a key the same wish; without it they are
    refused.
    """

    idempotency: Idempotency
    operation: str
    caller: Callable[[Any], str | None] = user_of
    target: Callable[..., str] | None = None
    derive: Callable[[Any], Any] | None = None

    def target_of(self, *args: Any, **kwargs: Any) -> str:
        """The target of a request with these arguments from its URL."""
        return self.target(*args, **kwargs) if self.target else ""

    def answer(
        self,
        request: Any,
        read_payload: Callable[[], Any],
        view: Callable[[KeyedRequest], HttpResponseBase],
        target: str,
    ) -> HttpResponse:
        """Runs the view at most once for the request's key, and sends its answer.

        A response with status 400 or above is a refusal, and what its view wrote in the store's
        transaction is undone.
        """
        try:
            caller = self.caller(request)
            if caller is None:
                raise NoCaller
            key = keys.read_key(request.headers.get(HEADER))
            if key is None:
                if self.derive is None:
                    raise MissingKey
                key = keys.make_key(caller, self.derive(request))
            digest = keys.digest_of(caller=caller, operation=self.operation, target=target, key=key)

            def effect(keyed: KeyedRequest) -> Answer:
                answer = read_answer(view(keyed))
                if answer.status >= 400:
                    raise Refused(answer)
                return answer

            return send(self.idempotency.run(key, digest, read_payload, effect))
        except IdempotencyError as error:
            return refuse(error)
