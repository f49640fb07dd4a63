"""How much of a body the site reads, from whom, and where it goes (bookingsite/bodies.py)."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from bookings.admin.second_factor import PROVED
from bookings.catalogue import night_files
from bookings.infrastructure import clock, connections
from bookingsite.body_limits import CONTENT, DEFAULT, IMPORT, LIMITS, LIMITS_BELOW
from tests.site import Site
from tests.site_fixtures import Starter, make_user
from tests.web.test_web import PASSWORD, Browser

pytestmark = pytest.mark.site

FILES = "/admin/bookings/nightsfile/"
FORM = "multipart/form-data; boundary=b"


def form_of(size_bytes: int) -> bytes:
    """A form with a file, of this many bytes in all."""
    before = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    after = b"\r\n--b--\r\n"
    return before + b"x" * (size_bytes - len(before) - len(after)) + after


def post(site: Site, path: str, body: bytes | Iterator[bytes]) -> requests.Response:
    return requests.post(site.url + path, data=body, headers={"Content-Type": FORM}, timeout=30)


@pytest.mark.parametrize("path", ["/", "/login", "/hold", "/nowhere", "/admin/", "/language"])
def test_refuses_a_large_form_with_a_page(site: Site, path: str) -> None:
    answer = post(site, path, form_of(DEFAULT.max_bytes + 1))

    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Too much" in answer.text
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Connection"] == "close"


def test_refuses_a_large_form_in_chunks_with_a_page(site: Site) -> None:
    body = form_of(DEFAULT.max_bytes + 10_000)

    answer = post(site, "/login", (body[at : at + 1000] for at in range(0, len(body), 1000)))

    assert answer.status_code == 413
    assert "Too much" in answer.text


def test_takes_a_form_that_is_just_small_enough(site: Site) -> None:
    answer = post(site, "/login", form_of(DEFAULT.max_bytes))

    assert answer.status_code == 403  # it has no token against forgery


def test_reads_a_form_that_comes_in_chunks(site: Site) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{site.url}/login", timeout=10).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        form = f"csrfmiddlewaretoken={token[1]}&username=ada&password=wrong".encode()

        answer = browser.post(
            f"{site.url}/login",
            data=iter([form[:20], form[20:]]),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=10,
        )

    assert "Wrong e-mail or password" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        *LIMITS,
        *(f"{start}demo/change/" for start in LIMITS_BELOW),
        "/admin/bookings/photo/hotel/demo/upload/",
    ],
)
def test_takes_files_from_staff_alone(site: Site, path: str) -> None:
    make_user("ada")
    customer = Browser(site).log_in()

    by_customer = customer.session.post(site.url + path, data=form_of(100_000), timeout=30)
    by_stranger = post(site, path, form_of(100_000))

    assert (by_stranger.status_code, by_customer.status_code) == (413, 413)


@pytest.mark.parametrize("start", LIMITS_BELOW)
def test_takes_a_hotels_texts_from_staff(site: Site, start: str) -> None:
    User.objects.create_superuser("boss", password=PASSWORD)
    boss = Browser(site).log_in("boss").session

    answers = [
        boss.post(f"{site.url}{start}{page}", data=form_of(size), timeout=30).status_code
        for page in ("add/", "demo/change/")
        for size in (CONTENT.max_bytes, CONTENT.max_bytes + 1)
    ]

    # The site read the smaller one, and refused it because it has no token against forgery.
    assert answers == [403, 413] * 2


def test_takes_no_file_from_staff_before_their_second_factor(site: Site) -> None:
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    browser = Browser(site).log_in("boss")
    device = {"_id": boss.pk, "device": "telephone", "set_up_at": clock.now(), "recovery": []}
    connections.database()["second_factors"].insert_one(device)

    before = browser.session.post(site.url + FILES, data=form_of(100_000), timeout=30)
    session = SessionStore(browser.session.cookies["sessionid"])
    session[PROVED] = "telephone"
    session.save()
    after = browser.session.post(site.url + FILES, data=form_of(100_000), timeout=30)

    # The site read it, and refused it because it has no token against forgery.
    assert (before.status_code, after.status_code) == (413, 403)


def test_bounds_how_long_one_file_keeps_others_waiting() -> None:
    assert IMPORT.allowed_s(IMPORT.max_bytes) < 90


def test_keeps_a_connection_that_a_stranger_announced_a_file_on_no_longer(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest("POST", FILES)
        connection.putheader("Content-Length", "9000000")
        connection.endheaders()

        answer = connection.getresponse()

        assert answer.status == 413
        assert answer.getheader("Connection") == "close"


@pytest.mark.slow
def test_lets_staff_send_a_file_of_ten_megabytes(site: Site) -> None:
    User.objects.create_superuser("boss", password=PASSWORD)
    boss = Browser(site).log_in("boss")
    form = next(form for form in boss.open(FILES).forms_to(FILES) if form.method == "post")
    file = b"category,date,price\n" + b"demo_double,someday,1\n" * 450_000

    judged = boss.session.post(
        site.url + FILES,
        data={**form.fields, "hotel": "demo"},
        files={"file": ("nights.csv", file[: night_files.MAX_BYTES])},
        timeout=60,
    )
    too_large = boss.session.post(site.url + FILES, data=form_of(IMPORT.max_bytes + 1), timeout=60)

    assert judged.status_code == 200
    assert "Nothing was imported. The file has" in judged.text
    assert too_large.status_code == 413


def test_writes_no_file_for_a_stranger(start: Starter, tmp_path: Path) -> None:
    folder = tmp_path / "for-temporary-files"
    folder.mkdir()
    site = start(TMPDIR=str(folder))

    for path in ("/", "/login", FILES):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port)) as client:
            client.putrequest("POST", path)
            client.putheader("Content-Type", FORM)
            client.putheader("Content-Length", "9000000")
            client.endheaders()
            body = form_of(9_000_000)
            # The part that the site reads before it closes the connection.
            with contextlib.suppress(OSError):
                for at in range(0, 4_000_000, 100_000):
                    client.send(body[at : at + 100_000])
                    assert not list(folder.glob("*.upload*"))
