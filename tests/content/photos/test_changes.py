"""Uploads, order, descriptions and deletions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from bookings import points, tasks
from bookings.content.photos import changes, files
from bookings.content.photos.facts import recent_photos
from bookings.content.photos.files import StorageAway
from bookings.content.photos.judging import PhotoRefused
from bookings.infrastructure import recent_reads
from bookings.infrastructure.connections import collection
from tests.content.photos.pictures import photo

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]

OF = ("demo", "demo_double")


def add(content: bytes | None = None, photo_id: ObjectId | None = None) -> ObjectId:
    photo_id = photo_id or ObjectId()
    changes.add_photo(
        photo_id=photo_id, hotel_id=OF[0], category_id=OF[1], content=content or photo(300, 200)
    )
    return photo_id


def order() -> list[ObjectId]:
    return [row["_id"] for row in changes.list_photos(*OF)]


@pytest.fixture(autouse=True)
def _no_points() -> Any:
    yield
    points.install(None)


def test_keeps_one_photo_of_a_form_that_is_sent_twice() -> None:
    first = add()

    again = changes.add_photo(
        photo_id=first, hotel_id=OF[0], category_id=OF[1], content=photo(300, 200)
    )

    assert again is False
    assert order() == [first]


def test_takes_up_an_upload_that_died_when_the_form_is_sent_again() -> None:
    photo_id = ObjectId()

    def die(point: str) -> None:
        if point == "photo_row_written":
            raise KeyboardInterrupt

    points.install(die)
    with pytest.raises(KeyboardInterrupt):
        add(photo_id=photo_id)
    points.install(None)

    add(photo_id=photo_id)

    assert tasks.convert_photos() == 1
    assert order() == [photo_id]


def test_refuses_another_photo_under_the_key_of_a_form() -> None:
    photo_id = add()

    with pytest.raises(PhotoRefused, match="already uploaded another photo"):
        add(photo(301, 200), photo_id)


def test_keeps_no_photo_that_was_taken_for_dead(photo_folder: Path) -> None:
    """A request that is suspended for an hour must not write what no row knows."""

    def take_for_dead(point: str) -> None:
        if point == "photo_row_written":
            points.install(None)
            collection("photos").update_many({}, [{"$set": {"lease_until": "$created_at"}}])
            tasks.convert_photos()

    points.install(take_for_dead)
    with pytest.raises(PhotoRefused, match="was deleted while you uploaded it"):
        add()

    assert collection("photos").count_documents({}) == 0
    assert list(photo_folder.rglob("original")) == []


def test_keeps_no_photo_of_a_category_that_is_deleted_meanwhile() -> None:
    with pytest.raises(PhotoRefused, match="has been deleted"):
        changes.add_photo(photo_id=ObjectId(), hotel_id="demo", category_id="gone", content=photo())

    tasks.convert_photos()
    assert collection("photos").count_documents({}) == 0


def test_bounds_the_photos_of_a_category(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_PHOTOS", 2)
    add()
    second = add()

    with pytest.raises(PhotoRefused, match="delete one first"):
        add()
    # A retry of the last one is no further photo.
    add(photo_id=second)
    changes.add_photo(photo_id=ObjectId(), hotel_id="demo", category_id=None, content=photo())

    assert len(order()) == 2


def test_says_that_the_storage_is_away(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo_folder.write_text("no folder")
    photo_id = ObjectId()
    with pytest.raises(StorageAway):
        add(photo_id=photo_id)
    photo_folder.unlink()
    monkeypatch.setattr(files, "_silent_until_s", 0.0)

    add(photo_id=photo_id)

    assert tasks.convert_photos() == 1


def test_puts_new_photos_last_and_orders_them() -> None:
    one, two, three = add(), add(), add()
    assert order() == [one, two, three]

    changes.order_photos(*OF, [three, one])

    # The one that the page did not show yet stays behind.
    assert order() == [three, one, two]
    tasks.convert_photos()
    shown = recent_photos("demo").by_category["demo_double"]
    assert [each.folder[:24] for each in shown] == [str(each) for each in (three, one, two)]


def test_orders_no_photos_of_another_hotel() -> None:
    one = add()
    changes.order_photos("demo", None, [one])
    assert changes.describe_photo("demo", None, one, {"en": "x"}) is False
    assert changes.delete_photo("demo", None, one) is False

    assert order() == [one]


def test_announces_what_guests_see() -> None:
    one, two = add(), add()
    tasks.convert_photos()

    def shown() -> list[str]:
        return [each.alt_in(("de", "en")) for each in recent_photos("demo").by_category[OF[1]]]

    assert shown() == ["", ""]
    changes.describe_photo(*OF, one, {"en": "A bed", "de": ""})
    assert shown() == ["A bed", ""]
    changes.describe_photo(*OF, one, {"en": "A bed", "de": "Ein Bett"})
    assert shown() == ["Ein Bett", ""]
    changes.order_photos(*OF, [two, one])
    assert shown() == ["", "Ein Bett"]
    before = recent_reads.last_change()
    changes.delete_photo(*OF, two)
    assert recent_reads.last_change() is not before
    assert shown() == ["Ein Bett"]


def test_writes_only_the_descriptions_that_were_changed() -> None:
    """Two people may describe one photo in two languages."""
    one = add()

    changes.describe_photo(*OF, one, {"de": "Ein Bett"})
    changes.describe_photo(*OF, one, {"en": "A bed"})
    assert changes.describe_photo(*OF, one, {})
    assert collection("photos").find_one({"_id": one})["alt"] == {"en": "A bed", "de": "Ein Bett"}

    changes.describe_photo(*OF, one, {"en": ""})
    assert collection("photos").find_one({"_id": one})["alt"] == {"de": "Ein Bett"}


def test_leaves_no_original_if_a_form_is_sent_again_while_it_is_converted(
    photo_folder: Path,
) -> None:
    """The original may say where the photo was taken."""
    photo_id = ObjectId()

    def send_again(point: str) -> None:
        if point == "photo_row_written":
            points.install(None)
            add(photo_id=photo_id)
            assert tasks.convert_photos() == 1

    points.install(send_again)
    add(photo_id=photo_id)

    tasks.convert_photos()
    assert order() == [photo_id]
    assert list(photo_folder.rglob("original")) == []


def test_removes_a_photo_whose_category_went_before_the_upload_could_look() -> None:
    def die(point: str) -> None:
        if point == "photo_original_written":
            raise KeyboardInterrupt

    photo_id = ObjectId()
    points.install(die)
    with pytest.raises(KeyboardInterrupt):
        changes.add_photo(photo_id=photo_id, hotel_id="demo", category_id="gone", content=photo())
    points.install(None)
    collection("photos").update_one(
        {"_id": photo_id}, {"$set": {"state": "waiting", "lease_until": None}}
    )

    tasks.convert_photos()
    collection("photos").update_many({}, [{"$set": {"lease_until": "$created_at"}}])
    tasks.convert_photos()

    assert collection("photos").count_documents({}) == 0
