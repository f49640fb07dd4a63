"""The owner chooses the brand in the admin, and sees what it will look like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from bookings.content.brand import colours
from bookings.content.brand.reading import Link, read_brand
from bookings.infrastructure.connections import collection
from bookings.people.roles import FRONT_DESK, MANAGER
from bookingsite.body_limits import DEFAULT, limit_for
from tests.brands import set_brand
from tests.content.photos.pictures import photo

pytestmark = pytest.mark.mongo

URL = "/admin/bookings/brand/"
CONTRAST = re.compile(r"(?:Buttons are|Until you choose)[^<]*", re.S)


@pytest.fixture
def owner(client: Client) -> Client:
    user = User.objects.create_user("owner", is_staff=True)
    user.groups.add(Group.objects.get(name=MANAGER))
    client.force_login(user)
    return client


def send(owner: Client, *, expect: int = 302, version: int = 0, **typed: Any) -> HttpResponse:
    answer = owner.post(URL, {"version": version, **typed})
    assert answer.status_code == expect, answer.content.decode()[:3000]
    return answer


def file(content: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def text_of(answer: HttpResponse) -> str:
    return " ".join(answer.content.decode().split())


def test_saves_the_whole_brand(owner: Client) -> None:
    send(
        owner,
        name=" Seaside Hotel ",
        sender_name="Reception",
        accent="FFFF00",
        logo=file(photo(120, 60, "PNG")),
        icon=file(photo(60, 60, "JPEG")),
        link_1_en="Home",
        link_1_url="https://seaside.example/",
        link_3_de="Post",
        link_3_url="mailto:desk@seaside.example",
    )

    brand = read_brand()
    assert (brand.name, brand.sender, brand.accent) == ("Seaside Hotel", "Reception", "#ffff00")
    assert brand.links == (
        Link({"en": "Home"}, "https://seaside.example/"),
        Link({"de": "Post"}, "mailto:desk@seaside.example"),
    )
    assert brand.logo
    assert brand.icon
    assert "Seaside Hotel" in Client().get("/").content.decode()
    (entry,) = collection("django_admin_log").find()
    assert entry["change_message"] == "Changed the brand."


def test_fills_the_form_with_what_is_saved(owner: Client) -> None:
    set_brand(
        name="Seaside",
        accent="#ffff00",
        links=[{"texts": {"en": "Home", "de": "Start"}, "url": "/"}],
    )

    page = owner.get(URL).content.decode()

    for name, value in {
        "version": "1",
        "name": "Seaside",
        "accent": "#ffff00",
        "link_1_en": "Home",
        "link_1_de": "Start",
        "link_1_url": "/",
    }.items():
        assert re.search(rf'<input[^>]* name="{name}"[^>]* value="{value}"', page) or re.search(
            rf'<input[^>]* name="{name}" value="{value}"', page
        ), name


def test_takes_the_pictures_away(owner: Client) -> None:
    send(owner, logo=file(photo(60, 30, "PNG")), icon=file(photo(60, 60, "PNG")))
    assert read_brand().logo

    send(owner, version=1, without_logo="on", without_icon="on")

    assert (read_brand().logo, read_brand().icon) == (None, "")


def test_says_what_the_colour_became(owner: Client) -> None:
    said = {}
    for accent in ("", "#ffff00", "#1a625e", "#0a0a12"):
        page = send(owner, expect=200, look="1", accent=accent).content.decode()
        (found,) = CONTRAST.findall(page)
        said[accent] = " ".join(found.split())

    dark = {accent: colours.shades_of(accent).dark.line for accent in said if accent}
    assert said == {
        "": "Until you choose a colour, pages are green.",
        "#ffff00": (
            "Buttons are #ffff00 with black text. On light pages, where your colour would be hard "
            "to read, links and borders are #6e6e00. On dark pages, they are #ffff00."
        ),
        "#1a625e": (
            "Buttons are #1a625e with white text. On light pages, links and borders are #1a625e. "
            "On dark pages, where your colour would be hard to read, they are "
            f"{dark['#1a625e']}."
        ),
        "#0a0a12": (
            "Buttons are #0a0a12 with white text. On light pages, links and borders are #0a0a12. "
            "On dark pages, where your colour would be hard to read, they are "
            f"{dark['#0a0a12']}."
        ),
    }


def test_saves_nothing_when_it_only_looks(owner: Client) -> None:
    page = send(owner, expect=200, look="1", name="Seaside", accent="#ffff00")

    assert read_brand().version == 0
    assert "<strong>Seaside</strong>" in page.content.decode()
    assert 'href="/admin/bookings/brand/preview/ffff00/"' in page.content.decode()
    style = owner.get("/admin/bookings/brand/preview/ffff00/")
    assert style["Content-Type"] == "text/css; charset=utf-8"
    assert style.content.decode() == colours.write_preview("#ffff00")
    assert owner.get("/admin/bookings/brand/preview/yellow/").status_code == 404


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"accent": "yellow"}, "Write the colour as # and six digits or letters a to f"),
        ({"name": "x" * 41}, "Ensure this value has at most 40 characters"),
        ({"name": "a\nb"}, "Write this on one line, without tabs or control characters."),
        ({"sender_name": "a\r\nBcc: eve@evil.example"}, "Write this on one line"),
        ({"logo": b"<svg/>"}, "This is an SVG; save it as PNG, JPEG or WebP."),
        ({"icon": b""}, "This file is empty; choose another one."),
        ({"link_1_en": "a"}, "Begin with https://, mailto: or / for a page of this site."),
        ({"link_1_en": "a", "link_1_url": "javascript:alert(1)"}, "Begin with https://"),
        ({"link_8_url": "/"}, "Write a text, too."),
        ({"version": "-1"}, "Ensure this value is greater than or equal to 0."),
        ({"version": "9" * 30}, "Ensure this value is less than or equal to"),
    ],
)
def test_says_what_is_wrong(owner: Client, typed: dict[str, Any], sentence: str) -> None:
    sent = {
        name: file(value) if isinstance(value, bytes) else value for name, value in typed.items()
    }

    page = send(owner, expect=400, **sent)

    assert sentence in text_of(page).replace("&#x27;", "'")
    assert "Nothing was saved." in text_of(page)
    assert read_brand().version == 0


def test_keeps_what_was_typed_if_someone_else_saves_first(owner: Client) -> None:
    set_brand(name="Theirs")

    page = send(owner, expect=400, name="Mine", link_2_en="Home", link_2_url="/")

    assert read_brand().name == "Theirs"
    assert "What you typed is below; save once more to replace theirs." in text_of(page)
    typed = page.context["form"]
    assert (typed["name"].value(), typed["link_2_en"].value()) == ("Mine", "Home")
    send(owner, version=int(typed["version"].value()), name="Mine")
    assert read_brand().name == "Mine"


@pytest.mark.parametrize(
    ("status", "typed"), [(200, {"look": "1"}), (400, {"accent": "yellow"}), (400, {"version": 7})]
)
def test_says_which_file_to_choose_again(owner: Client, status: int, typed: dict[str, Any]) -> None:
    """A browser fills in no file."""
    logo = file(photo(60, 30, "PNG"), "<b>.png")

    page = send(owner, expect=status, logo=logo, **typed)

    assert "&lt;b&gt;.png was not saved. Choose the file again." in text_of(page)
    assert text_of(page).count("Choose the file again.") == 1
    assert "Choose the file again." not in text_of(owner.get(URL))


def test_says_what_is_wrong_with_a_file_and_no_more(owner: Client) -> None:
    page = send(owner, expect=400, logo=file(b"<svg/>"))

    assert "Choose the file again." not in text_of(page)


def test_lets_the_front_desk_see_nothing_of_it(client: Client) -> None:
    user = User.objects.create_user("desk", is_staff=True)
    user.groups.add(Group.objects.get(name=FRONT_DESK))
    client.force_login(user)

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"version": 0, "name": "Mine"}).status_code == 403
    assert read_brand().version == 0


@pytest.mark.parametrize(
    ("permissions", "link"), [(("view", "change"), "Change"), (("view",), "View")]
)
def test_is_offered_in_the_index_as_what_one_may_do(
    client: Client, permissions: tuple[str, ...], link: str
) -> None:
    """Each of these pages has a form of its own in place of Django's."""
    user = User.objects.create_user("user", is_staff=True)
    for each in permissions:
        for model in ("brand", "photo", "night"):
            user.user_permissions.add(Permission.objects.get(codename=f"{each}_{model}"))
    if link == "Change":
        for codename in ("add_night", "add_nightsjob"):
            user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)

    page = client.get("/admin/bookings/").content.decode()

    for name in ("brand", "photo", "pricecalendar", "nightsfile"):
        url = f"/admin/bookings/{name}/"
        assert re.search(rf'<a href="{url}" class="{link.lower()}link"[^>]*>{link}</a>', page), name


def test_lets_two_files_arrive_that_are_too_large() -> None:
    assert limit_for(URL).max_bytes > 2 * 1_000_000 + DEFAULT.max_bytes
    assert limit_for(URL).for_staff


EMBEDDING = f"{URL}embedding/"


def test_lists_the_websites_that_may_have_frames(owner: Client) -> None:
    websites = (
        "https://WWW.seaside.example/\r\n\r\nhttps://www.seaside.example\r\nhttps://b.example:8443"
    )

    answer = owner.post(EMBEDDING, {"version": 0, "origins": websites})

    assert answer.status_code == 302
    assert read_brand().origins == ("https://www.seaside.example", "https://b.example:8443")
    page = text_of(owner.get(f"{EMBEDDING}?hotel=grand&language=de"))
    assert "https://www.seaside.example" in page
    assert (
        "&lt;iframe class=&quot;bookings-frame&quot; "
        "src=&quot;http://127.0.0.1:8000/embedded/book/grand?lang=de&quot;"
    ) in page
    assert "src=&quot;http://127.0.0.1:8000/static/embed.js&quot;" in page
    (entry,) = collection("django_admin_log").find()
    assert entry["change_message"].startswith("Frames: https://www.seaside.example")


def test_shows_no_frame_without_a_website(owner: Client) -> None:
    assert "iframe" not in text_of(owner.get(EMBEDDING))


@pytest.mark.parametrize(
    ("origins", "sentence"),
    [
        ("https://a.example\nseaside", "“seaside” is not the address of a website"),
        ("<b>", "“&lt;b&gt;” is not the address of a website"),
        ("\n".join(f"https://{n}.example" for n in range(11)), "List at most 10 websites."),
    ],
)
def test_says_what_is_no_website(owner: Client, origins: str, sentence: str) -> None:
    answer = owner.post(EMBEDDING, {"version": 0, "origins": origins})

    assert answer.status_code == 400
    assert sentence in text_of(answer)
    assert read_brand().version == 0


def test_keeps_the_websites_that_were_typed_if_someone_else_saves_first(owner: Client) -> None:
    set_brand(name="Theirs")
    mine = "https://a.example"

    page = owner.post(EMBEDDING, {"version": 0, "origins": mine})

    assert read_brand().origins == ()
    assert "What you typed is below; save once more to replace theirs." in text_of(page)
    typed = page.context["form"]
    assert typed["origins"].value() == mine
    owner.post(EMBEDDING, {"version": typed["version"].value(), "origins": mine})
    assert read_brand().origins == (mine,)


def test_lets_only_those_who_may_change_the_brand_say_who_has_frames(client: Client) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_brand"))
    client.force_login(user)

    assert client.get(EMBEDDING).status_code == 200
    assert client.post(EMBEDDING, {"version": 0, "origins": "https://a.example"}).status_code == 403
    assert client.post(URL, {"version": 0, "name": "Mine"}).status_code == 403
    assert read_brand().version == 0
