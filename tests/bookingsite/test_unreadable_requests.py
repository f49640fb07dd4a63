"""Requests whose body or query Django cannot read: refused with a 400."""

from __future__ import annotations

import io
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.exceptions import BadRequest
from django.http.multipartparser import MultiPartParserError
from django.test import Client, RequestFactory

from bookingsite import problems
from bookingsite.wsgi import application

pytestmark = pytest.mark.mongo

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data"

PATHS = ["/", "/login", "/register", "/admin/login/", "/api/bookings", "/api/nowhere"]

UNREADABLE = {
    "a form in Latin-1": f"{FORM}; charset=latin-1",
    "a form in a coding that is none of texts": f"{FORM}; charset=rot13",
    "parts in a coding that is none of texts": f"{PARTS}; boundary=b; charset=rot13",
    "parts in a coding that is slow to read": f"{PARTS}; boundary=b; charset=punycode",
    "JSON in a coding that is none of texts": "application/json; charset=rot13",
    "JSON in UTF-7": "application/json; charset=utf-7",
}


@pytest.fixture
def browser(database: None) -> Client:
    return Client(raise_request_exception=False)


def ask(method: str, path: str, content_type: str, body: bytes = b"") -> tuple[int, str]:
    """Returns status and type of the answer to a request as gunicorn passes it on."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "a=b",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    answered: list[tuple[int, str]] = []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        answered.append((int(status[:3]), dict(headers)["Content-Type"]))

    application(environ, start).close()
    return answered[0]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_refuses_any_coding_but_utf_8(database: None, name: str, path: str) -> None:
    status, kind = ask("POST", path, UNREADABLE[name], b"a=b")

    assert status == 400
    is_api = path.startswith("/api/")
    assert kind.startswith("application/problem+json" if is_api else "text/html")


@pytest.mark.parametrize("path", ["/stays", "/api/bookings"])
@pytest.mark.parametrize("coding", ["charset=rot13", "charset=undefined", "x*=none''a"])
def test_refuses_a_query_in_another_coding(database: None, path: str, coding: str) -> None:
    assert ask("GET", path, f"text/plain; {coding}")[0] == 400


@pytest.mark.parametrize("spelled", ["utf-8", "UTF8", "utf_8", '"utf-8"', "no-such-coding"])
def test_takes_utf_8_however_it_is_spelled(browser: Client, spelled: str) -> None:
    content_type = f"{PARTS}; boundary=b; charset={spelled}"
    head = b'--b\r\nContent-Disposition: form-data; name="email"'
    body = head + b"\r\n\r\nada@example.org\r\n--b--\r\n"

    assert browser.generic("POST", "/find", body, content_type).status_code == 302


@pytest.mark.parametrize("path", ["/login", "/register"])
@pytest.mark.parametrize(
    "content_type", [PARTS, f"{PARTS}; boundary=", f"{PARTS}; boundary=é"], ids=ascii
)
def test_refuses_parts_without_a_boundary(browser: Client, content_type: str, path: str) -> None:
    answer = browser.generic("POST", path, b"--b--", content_type)

    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/login", "/api/bookings"])
@pytest.mark.parametrize("error", [BadRequest("no"), MultiPartParserError("no")], ids=type)
def test_calls_what_django_cannot_read_a_bad_request(error: Exception, path: str) -> None:
    assert problems.bad_request(RequestFactory().post(path), error).status_code == 400


def test_writes_down_what_it_has_no_answer_for(monkeypatch: pytest.MonkeyPatch) -> None:
    error, written = RuntimeError("unforeseen"), []
    monkeypatch.setattr(problems, "_log_unexpected", written.append)

    answer = problems.bad_request(RequestFactory().get("/login"), error)

    assert (answer.status_code, written) == (500, [error])


@pytest.mark.parametrize("coding", ["utf-8", "UTF8", "us-ascii"])
def test_reads_what_is_utf_8_under_any_of_its_names(database: None, coding: str) -> None:
    status, _ = ask("POST", "/api/bookings", f"application/json; charset={coding}", b"{}")

    assert status == 401
