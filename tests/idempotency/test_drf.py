"""The mixin for REST framework: one run for each key, in company of its other services."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from pymongo.collection import Collection
from rest_framework.authentication import TokenAuthentication
from rest_framework.decorators import action, api_view
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import (
    BrowsableAPIRenderer,
    JSONRenderer,
    StaticHTMLRenderer,
)
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView, exception_handler
from rest_framework.viewsets import ViewSet

from idempotency import Answer, Idempotency, KeyedOutcome, digest_of
from idempotency.django.decorator import idempotent
from idempotency.django.drf import IdempotentMixin, payload_of
from idempotency.django.requests import Keyed
from locks.connection import GuardedRedis
from tests.idempotency.web_requests import (
    ADA,
    BOB,
    NO_ONE,
    form_of,
    in_mongo,
    only_redis,
    problem,
    request_of,
    vouchers,
    without_redis,
)

__all__ = ["in_mongo", "vouchers"]

pytestmark = pytest.mark.redis


class Vouchers(IdempotentMixin, APIView):
    """Counts its runs, and answers with the number."""

    authentication_classes = ()
    permission_classes = ()
    # As in a project without settings of its own.
    parser_classes = (JSONParser, FormParser, MultiPartParser)
    renderer_classes = (JSONRenderer,)
    runs = 0

    def get_exception_handler(self) -> Any:
        return exception_handler

    @property
    def count(self) -> int:
        return type(self).runs

    def perform_authentication(self, request: Any) -> None:
        request.user = request._request.user

    def post(self, request: Any, **_: Any) -> Any:
        type(self).runs += 1
        return self.respond(request)

    def respond(self, request: Any) -> Any:
        return Response({"run": self.count}, status=201)

    patch = get = put = delete = post


@pytest.fixture
def keyed(client: GuardedRedis) -> Idempotency:
    return only_redis(client)


Make = Callable[..., Any]


@pytest.fixture
def make(keyed: Idempotency) -> Make:
    """Makes a view class with these attributes."""

    def subclass(idempotency: Idempotency | None = None, **attributes: Any) -> Any:
        options = attributes.pop("options", {})
        return type(
            "These",
            (attributes.pop("base", Vouchers),),
            {"keyed": Keyed(idempotency or keyed, "issue", **options), "runs": 0, **attributes},
        )

    return subclass


def send(view: Any, *, where: dict[str, Any] | None = None, **request: Any) -> HttpResponse:
    """The view's response to a request, rendered as Django does it."""
    response = view.as_view()(request_of(**request), **(where or {}))
    return response.render() if hasattr(response, "render") else response


# --- Repeats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_runs_a_handler_once_and_repeats_its_answer(make: Make, method: str) -> None:
    view = make()

    first, again = (send(view, method=method) for _ in range(2))

    assert view.runs == 1
    assert first.status_code == again.status_code == 201
    assert first.content == again.content == b'{"run":1}'
    assert first["Content-Type"] == again["Content-Type"] == "application/json"
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_leaves_other_methods_alone(make: Make, method: str) -> None:
    view = make()

    for _ in range(2):
        assert "Idempotency-Key" not in send(view, method=method)
    assert view.runs == 2


def test_describes_a_view_without_a_key(make: Make) -> None:
    assert send(make(), method="OPTIONS", key=None).status_code == 200


def test_sends_the_usual_headers_with_first_answer_and_repeat(make: Make) -> None:
    view = make(renderer_classes=(JSONRenderer, StaticHTMLRenderer))

    first, again = send(view), send(view)

    assert first["Vary"] == again["Vary"] == "Accept"
    assert first["Allow"] == again["Allow"]


def test_keeps_headers_of_the_answer_and_no_others(make: Make) -> None:
    def respond(self: Any, request: Any) -> Response:
        response = Response(status=201, headers={"Location": "/7", "X-Trace": "t"})
        response.set_cookie("basket", "b")
        return response

    view = make(respond=respond)
    first, again = send(view), send(view)

    assert (first["Location"], first["X-Trace"], first.cookies["basket"].value) == ("/7", "t", "b")
    assert again["Location"] == "/7"
    assert "X-Trace" not in again
    assert not again.cookies


def test_repeats_an_answer_without_a_body(make: Make) -> None:
    view = make(respond=lambda self, request: Response(status=204))

    first, again = send(view), send(view)

    assert (first.status_code, first.content) == (again.status_code, again.content) == (204, b"")
    assert first.get("Content-Type") == again.get("Content-Type")


def test_repeats_the_bytes_that_were_negotiated_first(make: Make) -> None:
    class Text(StaticHTMLRenderer):
        def render(self, data: Any, *_: Any) -> str:
            return f"<p>run {data['run']}</p>"

    view = make(renderer_classes=(JSONRenderer, Text))
    first = send(view, Accept="text/html")

    again = send(view, Accept="application/json")

    assert first["Content-Type"] == again["Content-Type"] == "text/html; charset=utf-8"
    assert first.content == again.content == b"<p>run 1</p>"


def test_repeats_a_page_of_the_browsable_api(make: Make) -> None:
    view = make(renderer_classes=(JSONRenderer, BrowsableAPIRenderer))

    first, again = (send(view, Accept="text/html") for _ in range(2))

    assert b"<!DOCTYPE html>" in first.content
    assert first.content == again.content
    assert view.runs == 1


def test_judges_what_a_repeat_accepts(make: Make) -> None:
    view = make()
    send(view)

    assert send(view, Accept="image/png").status_code == 406


def test_keeps_what_the_view_makes_of_its_response(make: Make) -> None:
    class Enveloped(Vouchers):
        def finalize_response(self, request: Any, response: Any, *args: Any, **kw: Any) -> Any:
            if isinstance(response, Response) and "data" not in response.data:
                response.data = {"data": response.data}
            return super().finalize_response(request, response, *args, **kw)

    view = make(base=Enveloped)

    assert [send(view).content for _ in range(2)] == [b'{"data":{"run":1}}'] * 2


def test_sends_an_outcome_of_the_domain(make: Make) -> None:
    outcome = KeyedOutcome(
        answer=Answer(201, b"{}", headers=(("Location", "/7"),)), key="k", replayed=True
    )
    view = type("Own", (Vouchers,), {"respond": lambda self, request: outcome})

    response = send(view, key=None)

    assert (response.status_code, response.content, response["Location"]) == (201, b"{}", "/7")
    assert response["Idempotency-Replayed"] == "true"


# --- Callers, keys, targets -------------------------------------------------------------------


def test_gives_another_caller_a_run_of_their_own(make: Make) -> None:
    view = make()

    assert send(view, user=ADA).content != send(view, user=BOB).content


def test_asks_for_a_login(make: Make) -> None:
    view = make(authentication_classes=(TokenAuthentication,))

    response = send(view, user=NO_ONE)

    problem(response, 401, "NOT_AUTHENTICATED")
    assert response["WWW-Authenticate"] == "Token"
    assert view.runs == 0


def test_asks_for_a_usable_key(make: Make) -> None:
    view = make()

    problem(send(view, key=None), 400, "MISSING_IDEMPOTENCY_KEY")
    problem(send(view, key="a b"), 400, "INVALID_IDEMPOTENCY_KEY")
    assert view.runs == 0


def test_derives_a_key(make: Make) -> None:
    view = make(options={"derive": payload_of})

    first, again = (send(view, key=None) for _ in range(2))
    send(view, key=None, body={"amount": 60})

    assert view.runs == 2
    assert first.content == again.content
    assert again["Idempotency-Key"] == first["Idempotency-Key"]


def test_derives_another_key_for_another_query(make: Make) -> None:
    view = make(options={"derive": payload_of})

    def add(item: int) -> str:
        request = request_of({}, key=None)
        request.META["QUERY_STRING"] = f"item={item}"
        return view.as_view()(request)["Idempotency-Key"]

    first, other, again = add(5), add(6), add(5)

    assert view.runs == 2
    assert first == again != other


def test_takes_the_target_from_the_url(make: Make) -> None:
    view = make()

    for pk in (7, 8, 7):
        send(view, where={"pk": pk})

    assert view.runs == 2


def test_gives_each_method_an_operation_of_its_own(make: Make) -> None:
    view = make()

    for method in ("POST", "PATCH", "POST"):
        send(view, method=method)

    assert view.runs == 2


def test_gives_each_action_of_a_view_set_an_operation_of_its_own(keyed: Idempotency) -> None:
    class Set(IdempotentMixin, ViewSet):
        authentication_classes = permission_classes = ()
        keyed: Any = None

        def perform_authentication(self, request: Any) -> None:
            request.user = request._request.user

        def create(self, request: Any) -> Response:
            return Response(["created", request.keyed.digest])

        @action(detail=False, methods=["POST"])
        def import_all(self, request: Any) -> Response:
            return Response(["imported", request.keyed.digest])

    Set.keyed = Keyed(keyed, "issue")
    create, import_all = (Set.as_view({"post": name}) for name in ("create", "import_all"))

    answers = [json.loads(view(request_of()).render().content) for view in (create, import_all)]

    assert [name for name, _ in answers] == ["created", "imported"]
    assert answers[1][1] == digest_of(
        caller="user:1", operation="issue.import_all", target="", key="k1"
    )


# --- Twins, lost Redis, payloads --------------------------------------------------------------


def test_asks_a_twin_to_wait(make: Make) -> None:
    twins: list[HttpResponse] = []

    def respond(self: Any, request: Any) -> Response:
        twins.append(send(type(self)))
        return Response()

    view = make(respond=respond)
    send(view)

    problem(twins[0], 409, "IDEMPOTENCY_IN_PROGRESS")
    assert twins[0]["Retry-After"] == "1"
    assert view.runs == 1


def test_does_nothing_without_redis_if_only_redis_knows(make: Make) -> None:
    view = make(without_redis())

    response = send(view)

    problem(response, 503, "TRY_AGAIN")
    assert response["Retry-After"] == "1"
    assert view.runs == 0


def test_compares_payloads(make: Make, client: GuardedRedis) -> None:
    view = make(only_redis(client, on_mismatch="reject"))
    send(view, **form_of(boundary="one"))

    assert send(view, **form_of(boundary="two")).status_code == 201
    for other in (
        form_of(boundary="one", amount="60"),
        form_of(boundary="one", content=b"two"),
        {"body": {"amount": 50}},
        {"body": b"{"},
    ):
        problem(send(view, **other), 422, "IDEMPOTENCY_KEY_REUSED")


def test_lets_the_handler_read_the_files(make: Make) -> None:
    view = make(respond=lambda self, request: Response(request.data["list"].read().decode()))

    assert send(view, **form_of(boundary="b")).content == b'"one"'


def test_compares_values_that_json_does_not_have(make: Make) -> None:
    class Prices(JSONParser):
        def parse(self, stream: Any, *_: Any) -> Any:
            return {"amounts": [Decimal(stream.read().decode())]}

    view = make(parser_classes=(Prices,))
    send(view, body=b"1.50")

    assert "Idempotency-Payload-Mismatch" not in send(view, body=b"1.50")
    assert send(view, body=b"1.60")["Idempotency-Payload-Mismatch"] == "true"


def test_says_why_a_payload_cannot_be_read(make: Make) -> None:
    view = make()

    for body, status in ((b"{", 400), (b"\xff", 400)):
        response = send(view, body=body)

        assert response.status_code == status
        assert json.loads(response.content)["detail"]
    assert send(view, body=b"<x/>", content_type="text/xml").status_code == 415
    assert view.runs == 0, "REST framework would show it an empty form"
    assert send(view).status_code == 201


def test_refuses_json_that_is_nested_too_deeply(make: Make) -> None:
    with pytest.raises(BadRequest):
        send(make(), body=b"[" * 100_000 + b"]" * 100_000)


# --- Refusals and errors ----------------------------------------------------------------------


def refuse_once(error: Exception) -> Callable[..., Response]:
    def respond(self: Any, request: Any) -> Response:
        if self.count == 1:
            raise error
        return Response()

    return respond


class Sold(APIException):
    status_code = 409
    default_detail = "Sold."


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValidationError("no"), 400), (NotFound(), 404), (Http404(), 404), (Sold(), 409)],
)
def test_leaves_the_key_of_a_refusal_free(make: Make, error: Exception, status: int) -> None:
    view = make(respond=refuse_once(error))

    refused, again = send(view), send(view)

    assert (refused.status_code, again.status_code) == (status, 200)
    assert refused["Content-Type"] == "application/json"
    assert refused["Idempotency-Key"] == "k1"


@pytest.mark.parametrize("error", [Sold(), None])
def test_repeats_a_refusal_that_the_policy_keeps(
    make: Make, client: GuardedRedis, error: Exception | None
) -> None:
    def respond(self: Any, request: Any) -> Response:
        if error:
            raise error
        return Response({"detail": "Sold."}, status=409)

    view = make(only_redis(client, kept_refusals=frozenset({409})), respond=respond)

    refused, again = send(view), send(view)

    assert view.runs == 1
    assert refused.content == again.content == b'{"detail":"Sold."}'
    assert again["Idempotency-Replayed"] == "true"


def test_answers_as_the_exception_handler_of_the_site_says(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(error: Exception, context: Any) -> Response | None:
        assert context["view"].count == 1
        return Response({"mine": type(error).__name__}, status=418)

    for error in (Sold(), KeyError()):
        view = make(respond=refuse_once(error), get_exception_handler=lambda self: handle)

        assert json.loads(send(view, key="k2").content) == {"mine": type(error).__name__}
        assert send(view, key="k2").status_code == 200
        view.keyed.idempotency.claims.forget(
            digest_of(caller="user:1", operation="issue", target="", key="k2")
        )


@pytest.mark.mongo
def test_lets_mongodb_run_the_handler_again(
    make: Make, in_mongo: Idempotency, vouchers: Collection
) -> None:
    def respond(self: Any, request: Any) -> Response:
        session = request.keyed.transaction
        vouchers.find_one({"_id": "pot"}, session=session)
        if self.count == 1:
            vouchers.update_one({"_id": "pot"}, {"$inc": {"left": -1}})
        vouchers.update_one({"_id": "pot"}, {"$inc": {"left": -50}}, session=session)
        return Response({"run": self.count})

    # A handler that hides errors from the store.
    view = make(
        in_mongo,
        respond=respond,
        get_exception_handler=lambda self: lambda error, context: Response(status=503),
    )

    assert send(view).content == b'{"run":2}'
    assert vouchers.find_one({"_id": "pot"})["left"] == 49


@pytest.mark.mongo
def test_repeats_an_answer_that_only_mongodb_knows(
    make: Make, in_mongo: Idempotency, client: GuardedRedis
) -> None:
    view = make(in_mongo, renderer_classes=(JSONRenderer, StaticHTMLRenderer))
    first = send(view)
    client.flushdb()

    again = send(view)

    assert view.runs == 2, "what the second run wrote is undone"
    assert again.content == first.content == b'{"run":1}'
    assert again["Idempotency-Replayed"] == "true"
    assert again["Vary"] == first["Vary"] == "Accept"


def test_leaves_the_key_free_when_the_handler_raises(make: Make) -> None:
    view = make(respond=refuse_once(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        send(view)
    assert send(view).status_code == 200


def test_asks_permissions_and_throttles_first(make: Make) -> None:
    class No(BasePermission):
        def has_permission(self, request: Any, view: Any) -> bool:
            return request.headers.get("X-May") == "yes"

    class Slow(BaseThrottle):
        def allow_request(self, request: Any, view: Any) -> bool:
            return request.headers.get("X-Slow") != "yes"

        def wait(self) -> float:
            return 7

    view = make(permission_classes=(No,), throttle_classes=(Slow,))
    send(view, **{"X-May": "yes"})

    assert send(view).status_code == 403
    throttled = send(view, **{"X-May": "yes", "X-Slow": "yes"})
    assert (throttled.status_code, throttled["Retry-After"]) == (429, "7")
    assert send(view, **{"X-May": "yes"})["Idempotency-Replayed"] == "true"
    assert view.runs == 1


# --- The decorator for plain views ------------------------------------------------------------


def test_works_around_a_function_of_rest_framework(keyed: Idempotency) -> None:
    runs = []

    @idempotent(keyed, "issue", caller=lambda request: "user:1")
    @api_view(["POST"])
    def issue(request: Any) -> Response:
        runs.append(request.data)
        return Response({"run": len(runs)})

    issue.cls.permission_classes = issue.cls.authentication_classes = ()  # type: ignore[attr-defined]

    assert [issue(request_of()).content for _ in range(2)] == [b'{"run":1}'] * 2
    assert runs == [{"amount": 50}]


def test_names_the_mixin_where_the_decorator_does_not_fit(keyed: Idempotency) -> None:
    @api_view(["POST"])
    @idempotent(keyed, "issue")
    def issue(request: Any) -> Response:
        return Response()

    issue.cls.permission_classes = issue.cls.authentication_classes = ()
    issue.cls.get_exception_handler = lambda self: exception_handler

    with pytest.raises(TypeError, match="IdempotentMixin"):
        issue(request_of())


def test_lets_the_handler_read_the_bytes_of_its_request(make: Make) -> None:
    """As one does that checks a signature."""
    signed = make(respond=lambda self, request: Response(len(request.body)))

    assert send(signed, body={"amount": 5}).content == b"13"


def test_does_not_wait_for_itself_if_the_view_begins_again(make: Make) -> None:
    class Again(Exception):
        pass

    class Persistent(Vouchers):
        def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            assert request.body  # so that it can be read again
            try:
                return super().dispatch(request, *args, **kwargs)
            except Again:
                return super().dispatch(request, *args, **kwargs)

        def respond(self, request: Any) -> Any:
            if self.count == 1:
                raise Again
            return Response("issued")

        def handle_exception(self, exc: Exception) -> Any:
            if isinstance(exc, Again):
                raise exc
            return super().handle_exception(exc)

    response = send(make(base=Persistent), body={"amount": 5})

    assert (response.status_code, response.content) == (200, b'"issued"')
