"""The pages that appear when MongoDB or the session has failed."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest
from django.shortcuts import render
from django.test import RequestFactory
from django.urls import resolve
from django.utils.functional import SimpleLazyObject

from bookings.refusals import NotFound, ServerError, TryAgain
from tests.pages import Page


class Unreadable:
    """Replaces a session or its messages: every access to it fails."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"an error page asked for {name}")

    def __iter__(self) -> Any:
        raise AssertionError("an error page asked for the messages")


def unreachable_user() -> Any:
    raise AssertionError("an error page asked who is logged in")


def broken(request: HttpRequest) -> HttpRequest:
    """The request when everything behind it is gone."""
    request.user = SimpleLazyObject(unreachable_user)  # type: ignore[assignment]
    request.session = Unreadable()  # type: ignore[assignment]
    request._messages = Unreadable()  # type: ignore[attr-defined]
    request.resolver_match = resolve(request.path)
    return request


@pytest.mark.parametrize("template", ["error.html", "try_again.html", "403_csrf.html"])
@pytest.mark.parametrize("path", ["/", "/login"])
def test_needs_neither_person_nor_session(template: str, path: str) -> None:
    request = broken(RequestFactory().get(path))

    response = render(request, template, {"refusal": ServerError()})

    assert "<h1>" in response.content.decode()


def test_leads_from_an_error_to_the_bookings_and_the_search() -> None:
    request = broken(RequestFactory().get("/bookings"))

    page = Page(render(request, "error.html", {"refusal": NotFound()}).content.decode())

    assert page.links["See my bookings"] == "/bookings"
    assert page.links["Search for a room"] == "/"


def test_offers_the_same_form_again() -> None:
    sent = {"category": "demo_double", "arrival": "2031-02-15", "key": 'a"<b'}
    request = broken(RequestFactory().post("/hold", sent))

    page = Page(render(request, "try_again.html", {"refusal": TryAgain()}).content.decode())

    (form,) = page.forms_to("/hold")
    assert form.method == "post"
    assert form.fields == sent


def test_never_puts_a_password_into_the_page() -> None:
    request = broken(RequestFactory().post("/login", {"username": "ada", "password": "s3cret"}))

    response = render(request, "try_again.html", {"refusal": TryAgain()})

    assert "s3cret" not in response.content.decode()
