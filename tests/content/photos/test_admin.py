"""The pages on which staff upload, describe, order and delete photos."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from bookings import tasks
from bookings.content.photos import changes, files
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, RoomCategory
from bookings.people.roles import FRONT_DESK, MANAGER
from bookingsite.body_limits import DEFAULT, PHOTO, limit_for
from tests.content.photos.pictures import photo

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]

ALBUM = "/admin/bookings/photo/category/demo_double/"
OF = ("demo", "demo_double")
JSON = {"accept": "application/json"}


def log_in(client: Client, group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.fixture
def manager(client: Client) -> Client:
    return log_in(client, MANAGER)


def upload(client: Client, content: bytes = b"", *, key: str = "", **options: Any) -> Any:
    """Sends a form as the page does, by default a good one."""
    file = SimpleUploadedFile("../bed.jpg", content or photo(300, 200), "text/html")
    sent = {"key": key or str(ObjectId()), "photo": file}
    return client.post(f"{ALBUM}upload/", sent, **options)


def press(client: Client, action: str, *photo_ids: ObjectId, **typed: str) -> Any:
    sent = {"action": action, "photo": [str(each) for each in photo_ids], **typed}
    return client.post(f"{ALBUM}change/", sent, follow=True)


def order() -> list[ObjectId]:
    return [row["_id"] for row in changes.list_photos(*OF)]


def test_uploads_a_photo_and_shows_it_once_it_is_converted(manager: Client) -> None:
    page = upload(manager, follow=True)
    assert b"being converted" in page.content
    tasks.convert_photos()

    shown = manager.get(ALBUM).content.decode()

    (row,) = changes.list_photos(*OF)
    assert f'src="/photos/{files.folder_of(row)}/300.jpg"' in shown
    assert LogEntry.objects.get().change_message == "Uploaded a photo."


def test_adds_one_photo_of_a_form_that_is_sent_twice(manager: Client) -> None:
    (key,) = re.findall(r'name="key" value="(\w+)"', manager.get(ALBUM).content.decode())

    answers = [upload(manager, key=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert [str(each) for each in order()] == [key]
    assert LogEntry.objects.count() == 1


def test_says_in_a_sentence_what_is_wrong(manager: Client) -> None:
    page = upload(manager, b"<svg/>", follow=True).content.decode()
    nothing = manager.post(f"{ALBUM}upload/", {"key": str(ObjectId())}, follow=True)
    empty = manager.post(
        f"{ALBUM}upload/",
        {"key": str(ObjectId()), "photo": SimpleUploadedFile("a.jpg", b"")},
        follow=True,
    )

    assert "This is not a photo in a known format; save it as JPEG, PNG, WebP or AVIF." in page
    assert b"Choose a photo first." in nothing.content
    assert b"This file is empty; choose another one." in empty.content
    assert order() == []


def test_answers_scripts_with_json(manager: Client, photo_folder: Path, monkeypatch: Any) -> None:
    good = upload(manager, headers=JSON)
    bad = upload(manager, b"GIF89a", headers=JSON)
    hidden = photo_folder.rename(photo_folder.with_name("hidden"))
    photo_folder.write_text("no folder")
    away = upload(manager, headers=JSON)
    photo_folder.unlink()
    hidden.rename(photo_folder)

    assert (good.status_code, good.json()["error"]) == (200, "")
    assert ObjectId.is_valid(good.json()["key"])
    assert (bad.status_code, away.status_code) == (400, 503)
    assert bad.json()["error"].startswith("This is not a photo")
    assert "does not answer" in away.json()["error"]
    # It goes by what the photo is, not by what the browser called it.
    assert len(order()) == 1


def test_says_that_photos_are_off(manager: Client, settings: Settings) -> None:
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "photos"}

    page = manager.get(ALBUM).content.decode()
    refused = upload(manager, headers=JSON)

    assert "Photos are off" in page
    assert "data-upload " not in page
    assert (refused.status_code, order()) == (400, [])


def test_orders_describes_and_deletes(manager: Client) -> None:
    for _ in range(3):
        upload(manager)
    one, two, three = order()

    press(manager, "later", one)
    assert order() == [two, one, three]
    press(manager, "earlier", three)
    press(manager, "earlier", two)
    assert order() == [two, three, one]
    assert press(manager, "order", one, two, three).status_code == 204
    assert order() == [one, two, three]
    press(manager, "describe", two, en="A bed", de="Ein <Bett>")
    assert changes.list_photos(*OF)[1]["alt"] == {"en": "A bed", "de": "Ein <Bett>"}
    assert "Ein &lt;Bett&gt;" in manager.get(ALBUM).content.decode()
    press(manager, "delete", two)
    assert order() == [one, three]
    gone = press(manager, "describe", two, en="x").content.decode()
    assert "Someone else has deleted this photo." in gone


def test_keeps_what_was_typed_if_a_description_is_refused(manager: Client) -> None:
    upload(manager)
    (one,) = order()

    page = press(manager, "describe", one, en="x" * 301, de="Ein Bett")

    assert page.status_code == 400
    assert "at most 300 characters" in page.content.decode()
    assert "Ein Bett" in page.content.decode()
    assert changes.list_photos(*OF)[0]["alt"] == {}


def test_finds_nothing_for_what_does_not_exist(manager: Client) -> None:
    for path in ("category/gone/", "hotel/demo_double/", "room/room_A/"):
        assert manager.get(f"/admin/bookings/photo/{path}").status_code == 404


@pytest.mark.parametrize("missing", ["add", "change", "delete"])
def test_shows_no_button_that_is_not_allowed(manager: Client, missing: str) -> None:
    upload(manager)
    (one,) = order()
    group = Group.objects.get(name=MANAGER)
    right = group.permissions.get(codename=f"{missing}_photo")
    group.permissions.remove(right)
    try:
        page = manager.get(ALBUM).content.decode()
        answer = {
            "add": lambda: upload(manager),
            "change": lambda: press(manager, "describe", one, en="x"),
            "delete": lambda: press(manager, "delete", one),
        }[missing]()
    finally:
        group.permissions.add(right)

    signs = {"add": "data-upload ", "change": 'value="earlier"', "delete": 'value="delete"'}
    assert {name for name, sign in signs.items() if sign not in page} == {missing}
    assert answer.status_code == 403
    assert order() == [one]


def test_is_no_business_of_the_front_desk(client: Client) -> None:
    log_in(client, FRONT_DESK)

    assert client.get(ALBUM).status_code == 403
    assert b"/photo/" not in client.get("/admin/bookings/hotel/demo/change/").content


def test_is_linked_from_hotels_and_categories(manager: Client) -> None:
    hotel = manager.get("/admin/bookings/hotel/demo/change/").content.decode()
    category = manager.get("/admin/bookings/roomcategory/demo_double/change/").content.decode()
    albums = manager.get("/admin/bookings/photo/").content.decode()

    assert 'href="/admin/bookings/photo/hotel/demo/"' in hotel
    assert f'href="{ALBUM}"' in category
    assert f'href="{ALBUM}"' in albums


def test_keeps_a_hotel_or_category_that_has_photos(manager: Client) -> None:
    hotel = Hotel.objects.create(id="tent", code="TENT", name="Tent")
    category = RoomCategory.objects.create(id="tent_one", hotel=hotel, name="One")
    try:
        for of in (("tent", "tent_one"), ("tent", None)):
            changes.add_photo(
                photo_id=ObjectId(), hotel_id=of[0], category_id=of[1], content=photo(300, 200)
            )
        page = manager.post(
            "/admin/bookings/roomcategory/tent_one/delete/", {"post": "yes"}, follow=True
        ).content.decode()
        assert "has photos; delete those first." in page
        for row in changes.list_photos("tent", "tent_one"):
            changes.delete_photo("tent", "tent_one", row["_id"])
        manager.post("/admin/bookings/roomcategory/tent_one/delete/", {"post": "yes"})
        assert not RoomCategory.objects.filter(pk="tent_one").exists()
        page = manager.post(
            "/admin/bookings/hotel/tent/delete/", {"post": "yes"}, follow=True
        ).content.decode()
        assert "Tent has photos; delete those first." in page
        assert Hotel.objects.filter(pk="tent").exists()
    finally:
        RoomCategory.objects.filter(pk=category.pk).delete()
        Hotel.objects.filter(pk=hotel.pk).delete()
        collection("photos").delete_many({})


@pytest.mark.parametrize(
    ("path", "is_photo"),
    [
        (f"{ALBUM}upload/", True),
        ("/admin/bookings/photo/hotel/demo/upload/", True),
        (ALBUM, False),
        (f"{ALBUM}change/", False),
        ("/admin/bookings/photo/room/room_A/upload/", False),
        ("/admin/bookings/photo/hotel/a/b/upload/", False),
        ("/admin/bookings/photo/hotel//upload/", False),
        ("/x/admin/bookings/photo/hotel/demo/upload/", False),
        ("/admin/bookings/photo/hotel/demo/upload/\n", False),
        ("/hold/upload/", False),
    ],
)
def test_lets_large_bodies_in_where_photos_are_uploaded(path: str, is_photo: bool) -> None:
    assert limit_for(path) == (PHOTO if is_photo else DEFAULT)


def test_takes_a_photo_of_25_mb_and_none_of_26(manager: Client) -> None:
    small = photo(300, 200)

    largest = upload(manager, small + bytes(25_000_000 - len(small)))
    larger = upload(manager, small + bytes(26_000_000 - len(small)))

    far_larger = upload(manager, bytes(28_000_000))

    assert (largest.status_code, larger.status_code, far_larger.status_code) == (302, 302, 413)
    page = manager.get(ALBUM).content.decode()
    assert "This file is too large; choose one of at most 25 MB." in page
    assert len(order()) == 1
