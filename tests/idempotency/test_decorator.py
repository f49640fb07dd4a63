"""The decorator for plain views: one run for each key, and the first answer for repeats."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import BadRequest, ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.multipartparser import MultiPartParserError
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from idempotency import Idempotency, digest_of
from idempotency.django.decorator import idempotent
from idempotency.django.payloads import payload_of
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


class Counted:
    """A view that counts its runs, and answers with the number."""

    def __init__(self, respond: Callable[..., Any] | None = None) -> None:
        self.runs = 0
        self.respond = respond or (lambda request: JsonResponse({"run": self.runs}, status=201))

    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        self.request = request
        return self.respond(request, *args, **kwargs)

    def under_keys(self, idempotency: Idempotency, **options: Any) -> Callable[..., Any]:
        def view(request: Any, *args: Any, **kwargs: Any) -> Any:
            return self(request, *args, **kwargs)

        return idempotent(idempotency, "issue", **options)(view)


@pytest.fixture
def keyed(client: GuardedRedis) -> Idempotency:
    return only_redis(client)


# --- Repeats ----------------------------------------------------------------------------------


def test_runs_a_view_once_and_repeats_its_answer(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)

    first, again = view(request_of()), view(request_of())

    assert counted.runs == 1
    assert first.status_code == again.status_code == 201
    assert first.content == again.content == b'{"run": 1}'
    assert first["Content-Type"] == again["Content-Type"] == "application/json"
    assert first["Idempotency-Key"] == again["Idempotency-Key"] == "k1"
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["k1", '"k1"', " k1 "])
def test_takes_a_key_bare_or_quoted(keyed: Idempotency, key: str) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)
    view(request_of())

    assert view(request_of(key=key))["Idempotency-Replayed"] == "true"
    assert counted.runs == 1


def test_tells_the_view_its_key(keyed: Idempotency) -> None:
    counted = Counted()
    counted.under_keys(keyed)(request_of())

    assert counted.request.keyed.key == "k1"
    assert counted.request.keyed.digest == digest_of(
        caller="user:1", operation="issue", target="", key="k1"
    )
    assert counted.request.keyed.fingerprint
    assert counted.request.keyed.transaction is None


def test_keeps_headers_of_the_answer_and_no_others(keyed: Idempotency) -> None:
    def respond(_: Any) -> HttpResponse:
        response = HttpResponse(b"%PDF", status=201, content_type="application/pdf")
        response["Location"] = "/vouchers/7"
        response["Content-Disposition"] = 'attachment; filename="bön.pdf"'
        response["ETag"] = '"7"'
        response["X-Trace"] = "of this request"
        response["Cache-Control"] = "no-store"
        response.set_cookie("basket", "of this browser")
        return response

    view = Counted(respond).under_keys(keyed)
    first, again = view(request_of()), view(request_of())

    for name in ("Location", "Content-Disposition", "ETag", "Content-Type"):
        assert again[name] == first[name]
    assert first["X-Trace"] == "of this request"
    assert first["Cache-Control"] == "no-store"
    assert first.cookies["basket"].value == "of this browser"
    assert set(again.headers) == {
        "Location", "Content-Disposition", "ETag", "Content-Type", "Idempotency-Key",
        "Idempotency-Replayed",
    }  # fmt: skip
    assert not again.cookies


def test_repeats_a_redirect(keyed: Idempotency) -> None:
    view = Counted(lambda _: HttpResponseRedirect("/thanks")).under_keys(keyed)
    view(request_of())

    again = view(request_of())

    assert (again.status_code, again["Location"]) == (302, "/thanks")


def test_repeats_an_answer_without_a_body(keyed: Idempotency) -> None:
    def respond(_: Any) -> HttpResponse:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response

    view = Counted(respond).under_keys(keyed)
    view(request_of())

    again = view(request_of())

    assert (again.status_code, again.content) == (204, b"")
    assert "Content-Type" not in again


def test_repeats_a_compressed_answer_as_one(keyed: Idempotency) -> None:
    zipped = gzip_page(lambda _: HttpResponse("long " * 200))
    view = Counted(zipped).under_keys(keyed)
    headers = {"Accept-Encoding": "gzip"}
    first = view(request_of(**headers))

    again = view(request_of(**headers))

    assert first["Content-Encoding"] == again["Content-Encoding"] == "gzip"
    assert again.content == first.content


def test_repeats_a_page_that_is_rendered_late(keyed: Idempotency) -> None:
    page = engines["django"].from_string("Voucher {{ code }}")
    view = Counted(lambda _: SimpleTemplateResponse(page, {"code": "v1"})).under_keys(keyed)

    assert [view(request_of()).content for _ in range(2)] == [b"Voucher v1"] * 2


# --- Whose key it is, and for what ------------------------------------------------------------


def test_gives_another_caller_a_run_of_their_own(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)

    first, other = view(request_of(user=ADA)), view(request_of(user=BOB))

    assert first.content != other.content
    assert "Idempotency-Replayed" not in other


def test_asks_for_a_login(keyed: Idempotency) -> None:
    counted = Counted()

    problem(counted.under_keys(keyed)(request_of(user=NO_ONE)), 401, "NOT_AUTHENTICATED")
    assert counted.runs == 0


@pytest.mark.parametrize("caller", [None, ""])
def test_refuses_a_request_whose_caller_is_not_known(
    keyed: Idempotency, caller: str | None
) -> None:
    view = Counted().under_keys(keyed, caller=lambda _: caller)

    problem(view(request_of()), 401, "NOT_AUTHENTICATED")


def test_lets_a_view_say_who_calls(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed, caller=lambda request: request.headers["X-Till"])

    for till in ("till-1", "till-2", "till-1"):
        view(request_of(user=NO_ONE, **{"X-Till": till}))

    assert counted.runs == 2


def test_takes_the_target_from_the_url(keyed: Idempotency) -> None:
    counted = Counted(lambda request, **_: JsonResponse({"run": counted.runs}))
    view = counted.under_keys(keyed)

    answers = [view(request_of(), **where).content for where in ({"pk": 7}, {"pk": 8}, {"pk": 7})]

    assert counted.runs == 2
    assert answers[0] == answers[2] != answers[1]


def test_tells_arguments_of_the_url_apart(keyed: Idempotency) -> None:
    counted = Counted(lambda *_, **__: HttpResponse())
    view = counted.under_keys(keyed)

    for where in ({"shop": "1", "pk": "2&pk=3"}, {"shop": "1&pk=2", "pk": "3"}, {"pk": "1"}, {}):
        view(request_of(), **where)
    view(request_of(), "1")

    assert counted.runs == 5


def test_lets_a_view_name_its_target(keyed: Idempotency) -> None:
    counted = Counted(lambda *_, **__: HttpResponse())
    view = counted.under_keys(keyed, target=lambda version, pk: pk)

    view(request_of(), version="v1", pk="7")
    view(request_of(), version="v2", pk="7")

    assert counted.runs == 1
    assert counted.request.keyed.digest == digest_of(
        caller="user:1", operation="issue", target="7", key="k1"
    )


def test_lets_one_key_do_two_things(keyed: Idempotency) -> None:
    counted = Counted()
    issue = idempotent(keyed, "issue")(lambda request: counted(request))
    redeem = idempotent(keyed, "redeem")(lambda request: counted(request))

    issue(request_of())
    redeem(request_of())

    assert counted.runs == 2


# --- Requests without a usable key ------------------------------------------------------------


def test_asks_for_a_key(keyed: Idempotency) -> None:
    counted = Counted()

    problem(counted.under_keys(keyed)(request_of(key=None)), 400, "MISSING_IDEMPOTENCY_KEY")
    assert counted.runs == 0


@pytest.mark.parametrize("key", ["", "a b", "a,b", "auto:x", "k" * 256, '"', "ü"])
def test_refuses_a_key_of_another_form(keyed: Idempotency, key: str) -> None:
    counted = Counted()
    view = counted.under_keys(keyed, derive=payload_of)

    problem(view(request_of(key=key)), 400, "INVALID_IDEMPOTENCY_KEY")
    assert counted.runs == 0


def test_derives_a_key_for_a_while(keyed: Idempotency, client: GuardedRedis) -> None:
    counted = Counted()
    view = counted.under_keys(keyed, derive=payload_of)

    first, again = (view(request_of(key=None)) for _ in range(2))
    other = view(request_of({"amount": 60}, key=None))

    assert counted.runs == 2
    assert first.content == again.content != other.content
    assert first["Idempotency-Key"] == again["Idempotency-Key"]
    assert first["Idempotency-Key"].startswith("auto:")
    assert again["Idempotency-Replayed"] == "true"
    for record in client.keys("idempotency:*"):
        assert 0 < client.pttl(record) <= 120_000


def test_derives_another_key_for_another_query(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed, derive=payload_of)

    def add(item: int) -> HttpResponse:
        request = request_of(b"", key=None)
        request.META["QUERY_STRING"] = f"item={item}"
        return view(request)

    first, other, again = add(5), add(6), add(5)

    assert counted.runs == 2
    assert first["Idempotency-Key"] == again["Idempotency-Key"] != other["Idempotency-Key"]


def test_derives_another_key_for_another_caller(keyed: Idempotency) -> None:
    view = Counted().under_keys(keyed, derive=payload_of)

    first, other = (view(request_of(key=None, user=user)) for user in (ADA, BOB))

    assert first["Idempotency-Key"] != other["Idempotency-Key"]
    assert first.content != other.content


# --- Twins, lost Redis, another payload -------------------------------------------------------


def test_asks_a_twin_to_wait(keyed: Idempotency) -> None:
    twins = []

    def respond(_: Any) -> HttpResponse:
        twins.append(view(request_of()))
        return HttpResponse("done")

    counted = Counted(respond)
    view = counted.under_keys(keyed)
    view(request_of())

    (twin,) = twins
    problem(twin, 409, "IDEMPOTENCY_IN_PROGRESS")
    assert twin["Retry-After"] == "1"
    assert counted.runs == 1


def test_does_nothing_without_redis_if_only_redis_knows() -> None:
    counted = Counted()
    response = counted.under_keys(without_redis())(request_of())

    problem(response, 503, "TRY_AGAIN")
    assert response["Retry-After"] == "1"
    assert counted.runs == 0


def test_repeats_the_answer_to_another_payload(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)
    first = view(request_of({"amount": 50, "for": "Ada"}))

    same = view(request_of(b'{ "for": "Ada",\n"amount": 50 }'))
    other = view(request_of({"amount": 60}))

    assert counted.runs == 1
    assert other.content == same.content == first.content
    assert "Idempotency-Payload-Mismatch" not in same
    assert other["Idempotency-Payload-Mismatch"] == "true"


def test_counts_the_query_of_the_url_as_payload(keyed: Idempotency) -> None:
    @idempotent(keyed, "issue")
    def issue(request: Any) -> HttpResponse:
        return HttpResponse(request.GET["amount"])

    def send(amount: str) -> HttpResponse:
        request = request_of()
        request.META["QUERY_STRING"] = f"amount={amount}"
        return issue(request)  # type: ignore[return-value]

    first, same, other = send("1"), send("1"), send("2")

    assert first.content == same.content == other.content == b"1"
    assert "Idempotency-Payload-Mismatch" not in same
    assert other["Idempotency-Payload-Mismatch"] == "true"


def test_rejects_another_payload_if_the_policy_says_so(client: GuardedRedis) -> None:
    counted = Counted()
    view = counted.under_keys(only_redis(client, on_mismatch="reject"))
    first = view(request_of())

    problem(view(request_of({"amount": 60})), 422, "IDEMPOTENCY_KEY_REUSED")
    assert view(request_of()).content == first.content
    assert counted.runs == 1


# --- Payloads ---------------------------------------------------------------------------------


@pytest.fixture
def mismatch(client: GuardedRedis) -> Callable[..., bool]:
    """Whether a request with the second payload is told that the first one was another."""

    def compare(first: dict[str, Any], second: dict[str, Any]) -> bool:
        client.flushdb()
        view = Counted().under_keys(only_redis(client))
        assert view(request_of(**first)).status_code == 201
        again = view(request_of(**second))
        assert again["Idempotency-Replayed"] == "true"
        return "Idempotency-Payload-Mismatch" in again

    return compare


def test_reads_a_multipart_form_whatever_its_boundary(mismatch: Callable[..., bool]) -> None:
    first = form_of(boundary="one")

    assert not mismatch(first, form_of(boundary="two"))
    assert mismatch(first, form_of(boundary="two", amount="60"))
    assert mismatch(first, form_of(boundary="two", content=b"two"))
    assert mismatch(first, form_of(boundary="two", name="b.csv"))


def test_reads_a_form(mismatch: Callable[..., bool]) -> None:
    def form(body: bytes) -> dict[str, Any]:
        return {"body": body, "content_type": "application/x-www-form-urlencoded"}

    assert not mismatch(form(b"a=1&b=2&b=3"), form(b"b=2&a=%31&b=3"))
    assert mismatch(form(b"a=1&b=2&b=3"), form(b"a=1&b=3"))


def test_reads_forms_of_other_methods_as_bytes(mismatch: Callable[..., bool]) -> None:
    put = {"method": "PUT", "content_type": "application/x-www-form-urlencoded"}

    assert not mismatch({"body": b"a=1", **put}, {"body": b"a=1", **put})
    assert mismatch({"body": b"a=1", **put}, {"body": b"a=2", **put})


def test_compares_what_is_no_json_as_bytes(mismatch: Callable[..., bool]) -> None:
    assert not mismatch({"body": b"{"}, {"body": b"{"})
    assert mismatch({"body": b"{"}, {"body": b"{{"})
    assert mismatch({"body": b"\xff"}, {"body": b""})


def test_lets_the_view_read_what_was_compared(keyed: Idempotency) -> None:
    def respond(request: Any) -> HttpResponse:
        upload = request.FILES["list"]
        return JsonResponse({"read": upload.read().decode(), "amount": request.POST["amount"]})

    response = Counted(respond).under_keys(keyed)(request_of(**form_of(boundary="b")))

    assert json.loads(response.content) == {"read": "one", "amount": "50"}


def test_raises_in_place_of_the_view_if_a_form_cannot_be_read(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)
    broken = {"body": b"x", "content_type": "multipart/form-data; boundary="}

    with pytest.raises(MultiPartParserError):
        view(request_of(**broken))
    assert counted.runs == 0, "Django would show it an empty form"
    whole = view(request_of())
    again = view(request_of(**broken))

    assert again.content == whole.content
    assert again["Idempotency-Payload-Mismatch"] == "true"


def test_refuses_json_that_is_nested_too_deeply(keyed: Idempotency) -> None:
    view = Counted().under_keys(keyed)

    for depth in (100_000, *range(700, 1000, 10)):
        body = b"[" * depth + b"]" * depth
        try:
            view(request_of(body, key=str(depth)))
        except BadRequest:
            continue
        assert depth < 1000


# --- Refusals and errors ----------------------------------------------------------------------


def test_leaves_the_key_of_a_refusal_free(keyed: Idempotency) -> None:
    statuses = iter([400, 409, 500, 201])
    view = Counted(lambda _: HttpResponse(status=next(statuses))).under_keys(keyed)

    responses = [view(request_of()) for _ in range(5)]

    assert [response.status_code for response in responses] == [400, 409, 500, 201, 201]
    assert ["Idempotency-Replayed" in response for response in responses] == [False] * 4 + [True]


def test_repeats_a_refusal_that_the_policy_keeps(client: GuardedRedis) -> None:
    statuses = iter([400, 409, 201])
    counted = Counted(lambda _: HttpResponse(f"no {counted.runs}", status=next(statuses)))
    view = counted.under_keys(only_redis(client, kept_refusals=frozenset({409})))

    responses = [view(request_of()) for _ in range(3)]

    assert [response.status_code for response in responses] == [400, 409, 409]
    assert responses[2].content == responses[1].content == b"no 2"
    assert responses[2]["Idempotency-Replayed"] == "true"


def test_counts_400_as_a_refusal_and_399_as_none(keyed: Idempotency) -> None:
    for status, runs in ((399, 1), (400, 2)):
        counted = Counted(lambda _, status=status: HttpResponse(status=status))
        view = counted.under_keys(keyed)
        for _ in range(2):
            view(request_of(key=str(status)))

        assert counted.runs == runs


@pytest.mark.parametrize("error", [Http404, ValueError, SystemExit])
def test_leaves_the_key_free_when_the_view_raises(
    keyed: Idempotency, error: type[BaseException]
) -> None:
    def respond(_: Any) -> HttpResponse:
        if counted.runs == 1:
            raise error
        return HttpResponse("done")

    counted = Counted(respond)
    view = counted.under_keys(keyed)

    with pytest.raises(error):
        view(request_of())
    assert view(request_of()).content == b"done"


def test_refuses_a_response_that_streams(keyed: Idempotency) -> None:
    closed = []

    class Source:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            closed.append(True)

    view = Counted(lambda _: StreamingHttpResponse(Source())).under_keys(keyed)

    with pytest.raises(TypeError, match=r"StreamingHttpResponse.*does not stream"):
        view(request_of())
    assert closed


def test_refuses_a_view_without_a_response(keyed: Idempotency) -> None:
    with pytest.raises(TypeError, match="returned NoneType"):
        Counted(lambda _: None).under_keys(keyed)(request_of())


def test_refuses_an_async_view(keyed: Idempotency) -> None:
    async def view(request: Any) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse()

    with pytest.raises(TypeError, match="must not be async"):
        idempotent(keyed, "issue")(view)  # type: ignore[arg-type]


# --- Methods, other decorators, classes -------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_runs_a_view_that_only_reads_each_time(keyed: Idempotency, method: str) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)

    responses = [view(request_of(method=method, user=NO_ONE, key=None)) for _ in range(2)]

    assert counted.runs == 2
    assert not any("Idempotency-Key" in response for response in responses)


def test_gives_each_method_an_operation_of_its_own(keyed: Idempotency) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)

    for method in ("POST", "PATCH", "PUT", "DELETE", "PATCH"):
        view(request_of(method=method))

    assert counted.runs == 4


def test_fits_among_other_decorators(keyed: Idempotency) -> None:
    counted = Counted()

    @csrf_exempt
    @require_POST
    @never_cache
    @idempotent(keyed, "issue")
    def issue_voucher(request: Any) -> HttpResponse:
        """Issues a voucher."""
        return counted(request)

    first, again = (issue_voucher(request_of()) for _ in range(2))
    read = issue_voucher(request_of(method="GET"))

    assert counted.runs == 1
    assert first["Cache-Control"] == again["Cache-Control"]
    assert read.status_code == 405
    assert issue_voucher.csrf_exempt
    assert (issue_voucher.__name__, issue_voucher.__doc__) == (
        "issue_voucher",
        "Issues a voucher.",
    )


def test_uses_no_key_for_what_another_decorator_refuses(
    keyed: Idempotency, client: GuardedRedis
) -> None:
    counted = Counted()
    view = csrf_protect(counted.under_keys(keyed, derive=payload_of))

    assert view(request_of()).status_code == 403
    assert counted.runs == 0
    assert not client.keys("*")


def test_keeps_what_other_decorators_say_of_the_view(keyed: Idempotency) -> None:
    assert idempotent(keyed, "issue")(csrf_exempt(lambda _: HttpResponse())).csrf_exempt


@pytest.mark.parametrize("name", ["post", "dispatch"])
def test_fits_a_class_of_views(keyed: Idempotency, name: str) -> None:
    counted = Counted()

    @method_decorator(idempotent(keyed, "issue"), name=name)
    class Vouchers(View):
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("form")

        def post(self, request: Any) -> HttpResponse:
            return counted(request)

    view = Vouchers.as_view()

    first, again = (view(request_of()) for _ in range(2))

    assert counted.runs == 1
    assert first.content == again.content
    assert view(RequestFactory().get("/vouchers")).content == b"form"


# --- Transactions -----------------------------------------------------------------------------


@pytest.fixture
def sqlite(django_db_blocker: Any) -> Iterator[str]:
    """A database with transactions of Django's, which MongoDB's backend does not open."""
    default = connections.databases["default"]
    wrapper = DatabaseWrapper({**default, "NAME": ":memory:", "OPTIONS": {}}, alias="sqlite")
    connections.databases["sqlite"] = wrapper.settings_dict
    connections["sqlite"] = wrapper
    with django_db_blocker.unblock():
        yield "sqlite"
        wrapper.close()
    del connections["sqlite"], connections.databases["sqlite"]


def test_refuses_to_answer_before_the_transaction_around_it_is_committed(
    keyed: Idempotency, sqlite: str
) -> None:
    counted = Counted()
    view = counted.under_keys(keyed)

    with (
        transaction.atomic(using=sqlite),
        pytest.raises(ImproperlyConfigured, match="non_atomic_requests"),
    ):
        view(request_of())
    assert counted.runs == 0


def test_works_inside_the_transaction_of_a_test_case(keyed: Idempotency, sqlite: str) -> None:
    around = transaction.atomic(using=sqlite)
    around._from_testcase = True  # as Django's TestCase sets it

    with around:
        response = Counted().under_keys(keyed)(request_of())

    assert response.status_code == 201


def test_works_around_a_transaction(keyed: Idempotency, sqlite: str) -> None:
    def respond(_: Any) -> HttpResponse:
        with transaction.atomic(using=sqlite):
            return HttpResponse("done")

    assert Counted(respond).under_keys(keyed)(request_of()).content == b"done"


@pytest.mark.mongo
def test_writes_answer_and_effect_together(
    in_mongo: Idempotency, vouchers: Collection, client: GuardedRedis
) -> None:
    def respond(request: Any) -> HttpResponse:
        vouchers.insert_one({"amount": 50}, session=request.keyed.transaction)
        return JsonResponse({"run": counted.runs}, status=201, headers={"Location": "/7"})

    counted = Counted(respond)
    view = counted.under_keys(in_mongo)
    first = view(request_of())
    client.flushdb()
    again = view(request_of())

    assert vouchers.count_documents({"amount": 50}) == 1
    assert (again.content, again["Location"]) == (first.content, "/7")
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.mongo
@pytest.mark.parametrize("failure", [400, 409, Http404(), ValueError()])
def test_repeats_a_success_that_redis_forgot_though_the_view_fails_now(
    in_mongo: Idempotency, client: GuardedRedis, failure: Any
) -> None:
    def respond(_: Any) -> HttpResponse:
        if counted.runs == 1:
            return HttpResponse("the last one", status=201)
        if isinstance(failure, Exception):
            raise failure
        return HttpResponse(status=failure)

    counted = Counted(respond)
    view = counted.under_keys(in_mongo)
    view(request_of())
    client.flushdb()

    for _ in range(2):
        again = view(request_of())

        assert (again.status_code, again.content) == (201, b"the last one")
        assert again["Idempotency-Replayed"] == "true"


@pytest.mark.mongo
@pytest.mark.parametrize("status", [400, 409])
def test_undoes_what_a_refused_view_wrote(
    in_mongo: Idempotency, vouchers: Collection, status: int
) -> None:
    def respond(request: Any) -> HttpResponse:
        vouchers.insert_one({"amount": 50}, session=request.keyed.transaction)
        return HttpResponse(status=status)

    response = Counted(respond).under_keys(in_mongo)(request_of())

    assert response.status_code == status
    assert vouchers.count_documents({"amount": 50}) == 0


@pytest.mark.mongo
def test_undoes_what_a_view_wrote_before_it_raised(
    in_mongo: Idempotency, vouchers: Collection
) -> None:
    def respond(request: Any) -> HttpResponse:
        vouchers.insert_one({"amount": 50}, session=request.keyed.transaction)
        if counted.runs == 1:
            raise ValueError
        return HttpResponse()

    counted = Counted(respond)
    view = counted.under_keys(in_mongo)

    with pytest.raises(ValueError):  # noqa: PT011
        view(request_of())
    assert vouchers.count_documents({"amount": 50}) == 0
    view(request_of())
    assert vouchers.count_documents({"amount": 50}) == 1


@pytest.mark.mongo
def test_lets_mongodb_run_the_view_again(in_mongo: Idempotency, vouchers: Collection) -> None:
    read = []

    def respond(request: Any) -> HttpResponse:
        read.append(hashlib.sha256(request.FILES["list"].read()).hexdigest())
        vouchers.find_one({"_id": "pot"}, session=request.keyed.transaction)
        if counted.runs == 1:
            vouchers.update_one({"_id": "pot"}, {"$inc": {"left": -1}})
        vouchers.update_one(
            {"_id": "pot"}, {"$inc": {"left": -50}}, session=request.keyed.transaction
        )
        response = JsonResponse({"run": counted.runs})
        response.set_cookie("run", str(counted.runs))
        return response

    counted = Counted(respond)
    view = counted.under_keys(in_mongo)
    first, again = (view(request_of(**form_of(boundary="b"))) for _ in range(2))

    assert counted.runs == 2
    assert first.content == again.content == b'{"run": 2}'
    assert first.cookies["run"].value == "2"
    assert vouchers.find_one({"_id": "pot"})["left"] == 49
    assert read == [hashlib.sha256(b"one").hexdigest()] * 2, "each run finds the file unread"


@pytest.mark.mongo
def test_raises_what_the_store_raises(in_mongo: Idempotency, vouchers: Collection) -> None:
    def respond(request: Any) -> HttpResponse:
        vouchers.update_one(
            {"_id": "pot"}, {"$nonsense": {"left": 1}}, session=request.keyed.transaction
        )
        return HttpResponse()

    with pytest.raises(PyMongoError):
        Counted(respond).under_keys(in_mongo)(request_of())
