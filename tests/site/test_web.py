"""The page over HTTP: a double click is two requests at once."""

from __future__ import annotations

import re
from html import unescape

import requests

from bookings import connections
from tests.conftest import night
from tests.site.conftest import make_user
from tests.site.site import Site, all_at_once


def log_in(site: Site, username: str) -> requests.Session:
    make_user(username, "correct horse")
    browser = requests.Session()
    page = browser.get(f"{site.url}/login").text
    answer = browser.post(
        f"{site.url}/login",
        data={**hidden_fields(page), "username": username, "password": "correct horse"},
    )
    assert "Log out" in answer.text
    return browser


def hidden_fields(html: str) -> dict[str, str]:
    return {
        name: unescape(value)
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html)
    }


def room_form(site: Site, browser: requests.Session, room: str = "room_A") -> dict[str, str]:
    page = browser.get(f"{site.url}/", params={"date": night()}).text
    forms = re.findall(r'<form method="post" action="/book">.*?</form>', page, re.DOTALL)
    return next(form for form in map(hidden_fields, forms) if form["room"] == room)


def test_books_once_for_a_double_click(site: Site, rounds: int) -> None:
    browser = log_in(site, "ada")
    for _ in range(3 * rounds):
        connections.collection("bookings").delete_many({})
        connections.redis().flushdb()
        form = room_form(site, browser)

        def click(form: dict[str, str] = form) -> requests.Response:
            return requests.post(
                f"{site.url}/book",
                data=form,
                cookies=browser.cookies.get_dict(),
                allow_redirects=False,
            )

        answers = all_at_once([click, click])

        assert [answer.status_code for answer in answers] == [302, 302]
        booking = connections.collection("bookings").find_one({})
        assert connections.collection("bookings").count_documents({}) == 1
        assert booking is not None
        for answer in answers:
            page = browser.get(site.url + answer.headers["Location"]).text
            assert booking["reference"] in page


def test_books_with_the_same_form_again_after_the_answer_was_lost(site: Site) -> None:
    browser = log_in(site, "ada")
    form = room_form(site, browser)
    site.faults.arm("before_answer", "kill")
    try:
        browser.post(f"{site.url}/book", data=form)
        lost = False
    except requests.ConnectionError:
        lost = True

    page = browser.post(f"{site.url}/book", data=form).text

    assert lost
    assert "Room A is booked for you" in page
    assert connections.collection("bookings").count_documents({}) == 1


def test_serves_its_own_style_and_no_script_of_others(site: Site) -> None:
    page = requests.get(site.url).text

    style = re.search(r'rel="stylesheet" href="([^"]+)"', page)
    assert style is not None
    assert requests.get(site.url + style[1]).ok
    assert "https://" not in page
    assert "http://" not in page
    assert "<script" not in page
    assert "style=" not in page
