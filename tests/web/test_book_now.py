"""The address that hotels link to from their own websites. It is in other people's pages, so what
is tested here never changes."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.content.brand.reading import BrandFacts
from bookings.content.brand.snippets import write_snippets
from tests.conftest import night
from tests.pages import Page

pytestmark = pytest.mark.mongo

STAY = f"arrival={night()}&departure={night(32)}"


def lead(query: str, hotel: str = "demo") -> str:
    answer = Client().get(f"/book/{hotel}?{query}")
    assert answer.status_code == 302
    assert "no-store" in answer["Cache-Control"]
    return str(answer["Location"])


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ("", "/hotels/demo"),
        ("arrival=&departure=&guests=2", "/hotels/demo?guests=2"),
        ("guests=3&rooms=2&lang=de", "/hotels/demo?guests=3&rooms=2&lang=de"),
        ("lang=de", "/hotels/demo?lang=de"),
        ("lang=fr", "/hotels/demo"),
        (STAY, f"/stays?hotel=demo&{STAY}"),
        (f"{STAY}&guests=3&rooms=2", f"/stays?hotel=demo&{STAY}&guests=3&rooms=2"),
        (f"{STAY}&lang=de&utm_source=x", f"/stays?hotel=demo&{STAY}&lang=de"),
        (f"arrival={night()}", f"/stays?hotel=demo&arrival={night()}"),
    ],
)
def test_leads_to_the_rooms_or_to_the_hotel(query: str, url: str) -> None:
    assert lead(query) == url


@pytest.mark.parametrize(
    ("query", "guests", "rooms"),
    [
        ("guests=3&rooms=2", "3", "2"),
        ("rooms=2", "2", "2"),
        ("guests=many&rooms=0", "2", "1"),
        ("guests=101&rooms=11", "2", "1"),
        ("", "2", "1"),
    ],
)
def test_fills_in_the_search_on_the_hotels_page(query: str, guests: str, rooms: str) -> None:
    answer = Client().get(f"/book/demo?{query}", follow=True)

    fields = Page(answer.content.decode()).form_to("/stays").fields
    assert (fields["guests"], fields["rooms"]) == (guests, rooms)
    assert fields["arrival"]


def test_leads_nowhere_else() -> None:
    assert lead("arrival=%0d%0aX:+y&hotel=grand&next=//evil.example") == (
        "/stays?hotel=demo&arrival=X%3A+y"
    )
    assert len(lead(f"arrival={'9' * 5000}")) < 100


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (f"arrival=2020-01-01&departure={night()}", "Choose"),
        ("arrival=2020-01-01&departure=2020-01-03", "Choose a later date"),
        ("arrival=soon&departure=later", "date"),
        (f"arrival={night(32)}&departure={night()}", "Choose a departure date after"),
        (f"arrival={night()}", "date"),
        (f"{STAY}&guests=many", "whole number"),
    ],
)
def test_shows_the_search_and_a_sentence_for_anything_wrong(query: str, sentence: str) -> None:
    answer = Client().get(f"/book/demo?{query}", follow=True)

    page = Page(answer.content.decode())
    assert sentence in page.text
    assert page.form_to("/stays").fields["hotel"] == "demo"


def test_shows_the_first_page_for_a_hotel_that_is_not_here() -> None:
    answer = Client().get(f"/book/nowhere?{STAY}", follow=True)

    assert answer.redirect_chain == [("/", 302)]
    assert "isn’t here" in Page(answer.content.decode()).status


def test_speaks_the_language_of_the_link() -> None:
    answer = Client().get(f"/book/demo?{STAY}&lang=de", follow=True)

    assert '<html lang="de">' in answer.content.decode()


class Texts(HTMLParser):
    """The texts of a page's text areas."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_in = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_in = tag == "textarea"
        if self._is_in:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_in = False

    def handle_data(self, data: str) -> None:
        if self._is_in:
            self.found[-1] += data


def test_shows_staff_what_to_copy(client: Client) -> None:
    client.force_login(User.objects.create_superuser("owner"))

    page = client.get("/admin/bookings/brand/book-now/?hotel=grand&language=de").content.decode()

    shown = Texts(page).found
    assert shown == [snippet.html for snippet in write_snippets("grand", "de", BrandFacts())]
    assert '<a href="http://127.0.0.1:8000/book/grand?lang=de">Jetzt buchen</a>' in shown[0]
    assert "Anreise" in shown[2]


def test_gives_the_button_the_owners_colour() -> None:
    _link, button, _form = write_snippets("demo", "en", BrandFacts(accent="#ffe600"))

    assert "color: #000000; background: #ffe600" in button.html


@pytest.mark.parametrize("query", ["?hotel=nowhere", "?language=fr", "?hotel=%00"])
def test_shows_staff_something_for_a_wrong_choice(client: Client, query: str) -> None:
    client.force_login(User.objects.create_superuser("owner"))

    assert client.get(f"/admin/bookings/brand/book-now/{query}").status_code == 200
