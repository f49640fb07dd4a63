"""Large answers that repeat nothing of their request are compressed for clients that accept it."""

from __future__ import annotations

import gzip

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory

from bookings.infrastructure.compression import SMALLEST_BYTES, compress, pack
from bookings.models import ApiClient
from tests.browsing import stays_path
from tests.conftest import night
from tests.site_fixtures import issue_token

LARGE = b"<td></td>" * SMALLEST_BYTES

CALENDAR = f"/api/calendar?categoryId=inn_double&month={night()[:7]}"
GRID = f"/admin/desk/occupancy/?hotel=inn&start={night()}&days=31"


def answer(body: bytes, accepts: str | None) -> HttpResponse:
    headers = {} if accepts is None else {"accept-encoding": accepts}
    response = HttpResponse(body)
    compress(RequestFactory().get("/", headers=headers), response)
    return response


@pytest.mark.parametrize(
    "accepts", ["gzip", "br, gzip;q=0.5", "deflate, gzip, *;q=0", "gzip;q=1.0"]
)
def test_compresses_for_those_who_accept_it(accepts: str) -> None:
    packed = answer(LARGE, accepts)

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == LARGE
    assert packed["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepts", [None, "", "br", "identity", "gzip;q=0", "gzip; q=0.0, br"])
def test_compresses_for_no_one_else(accepts: str | None) -> None:
    plain = answer(LARGE, accepts)

    assert plain.content == LARGE
    assert not plain.has_header("Content-Encoding")
    assert plain["Vary"] == "Accept-Encoding"


def test_compresses_nothing_small() -> None:
    assert answer(b"a" * (SMALLEST_BYTES - 1), "gzip").headers.keys() == {"Content-Type"}


def test_has_another_length_each_time() -> None:
    assert len({len(pack(LARGE)) for _ in range(50)}) > 10


@pytest.mark.mongo
def test_compresses_what_programs_and_the_desk_read(inn: None, client: Client) -> None:
    token = issue_token(ApiClient.objects.create(name="reader").pk)
    client.force_login(User.objects.create_superuser("staff"))
    for path, headers in ((CALENDAR, {"authorization": f"Bearer {token}"}), (GRID, {})):
        plain = client.get(path, headers=headers)
        packed = client.get(path, headers={**headers, "accept-encoding": "gzip"})

        assert packed["Content-Encoding"] == "gzip"
        assert packed["Content-Length"] == str(len(packed.content))
        unpacked = gzip.decompress(packed.content)
        assert len(unpacked) == len(plain.content)
        assert len(packed.content) < len(unpacked) / 4


@pytest.mark.mongo
def test_compresses_nothing_that_another_site_could_make_a_browser_ask(
    inn: None, client: Client
) -> None:
    client.force_login(User.objects.create_superuser("staff"))
    for path in (CALENDAR, stays_path(hotel="inn"), "/how-it-works", "/admin/auth/user/?q=guess"):
        answered = client.get(path, headers={"accept-encoding": "gzip"})

        assert answered.status_code == 200
        assert len(answered.content) > SMALLEST_BYTES
        assert not answered.has_header("Content-Encoding")
