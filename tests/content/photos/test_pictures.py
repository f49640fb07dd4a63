"""The URLs of pictures: the same for everybody, kept for a year, and nothing else behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from bson import ObjectId
from django.test import Client
from pytest_django import Settings

from bookings import tasks
from bookings.content.photos import changes, files
from bookings.content.photos.facts import PhotoFacts, recent_photos
from bookings.infrastructure.mongodb import outage
from bookings.templatetags.photos import picture
from tests.browsing import stays_path
from tests.content.photos.pictures import photo

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]


def add(category_id: str | None = "demo_double") -> PhotoFacts:
    photo_id = ObjectId()
    of = {"hotel_id": "demo", "category_id": category_id}
    changes.add_photo(photo_id=photo_id, content=photo(1000, 700), **of)  # type: ignore[arg-type]
    tasks.convert_photos()
    changes.describe_photo("demo", category_id, photo_id, {"en": "A & B", "de": "Ein Bett"})
    photos = recent_photos("demo")
    return photos.own[-1] if category_id is None else photos.by_category[category_id][-1]


@pytest.mark.parametrize("kind", ["avif", "webp", "jpeg"])
def test_serves_a_picture_that_may_be_kept_for_a_year(kind: str) -> None:
    shown = add()

    url = f"/photos/{shown.folder}/480.{kind.replace('jpeg', 'jpg')}"
    answer = Client(headers={"cookie": "sessionid=abc", "accept-language": "de"}).get(url)

    assert answer.status_code == 200
    assert answer["Content-Type"] == f"image/{kind}"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Length"] == str(len(answer.content))
    assert not answer.cookies
    for name in ("Vary", "Content-Language"):
        assert name not in answer
    assert Client().head(url).content == b""


@pytest.mark.parametrize(
    "path",
    [
        "",
        "{folder}",
        "{folder}/",
        "{folder}/original",
        "{folder}/481.jpg",
        "{folder}/0480.jpg",
        "{folder}/480.png",
        "{folder}/480.jpg/",
        "{folder}/480.jpg%0a",
        "{folder}/../{folder}/480.jpg",
        "../settings.py",
        "..%2f{folder}/480.jpg",
        "%00",
        "{upper}/480.jpg",
        "0123456789abcdef01234567-0123456789abcdef/480.jpg",
    ],
)
def test_serves_nothing_else(path: str, photo_folder: Path) -> None:
    shown = add()
    files.write(f"{shown.folder}/original", b"private")

    answer = Client().get("/photos/" + path.format(folder=shown.folder, upper=shown.folder.upper()))

    assert (answer.status_code, answer["Cache-Control"]) == (404, "no-store")
    assert b"private" not in answer.content


def test_lets_no_strange_name_reach_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(files, "read", asked.append)

    for name in ("../x/480.jpg", "a/480.jpg", "x" * 41 + "/480.jpg", "480.jpg", "original"):
        assert Client().get(f"/photos/{name}").status_code == 404

    assert asked == []


def test_needs_no_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"/photos/{add().folder}/480.webp"
    monkeypatch.setattr(outage, "is_away", lambda: True)

    assert Client().get("/").status_code == 503
    assert Client().get(url).status_code == 200


def test_answers_at_once_while_the_storage_is_away(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/photos/{add().folder}/480.webp"
    hidden = photo_folder.rename(photo_folder.with_name("hidden"))
    photo_folder.write_text("no folder")

    answer = Client().get(url)
    photo_folder.unlink()
    hidden.rename(photo_folder)

    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (
        *(503, "5"),
        "no-store",
    )
    assert Client().get(url).status_code == 503, "the storage is not asked again at once"
    assert Client().get(stays_path()).status_code == 200
    monkeypatch.setattr(files, "_silent_until_s", 1.0)
    assert Client().get(url).status_code == 200
    assert files._silent_until_s == 0.0


def test_serves_nothing_while_photos_are_off(settings: Settings) -> None:
    url = f"/photos/{add().folder}/480.webp"
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "photos"}

    assert Client().get(url).status_code == 404
    assert tasks.convert_photos() == 0


def test_shows_a_categorys_first_photo_in_the_results() -> None:
    assert 'class="drawing"' in Client().get(stays_path()).content.decode()
    shown = add()
    add(None)

    page = Client().get(stays_path()).content.decode()
    german = Client(headers={"accept-language": "de"}).get(stays_path()).content.decode()

    assert page.count("<picture") == 1
    base = f"/photos/{shown.folder}"
    assert f'<source type="image/avif" srcset="{base}/480.avif 480w, {base}/960.avif 960w"' in page
    assert f'<img src="{base}/960.jpg"' in page
    assert 'width="1000" height="700" alt="A &amp; B"' in page
    assert 'alt="Ein Bett"' in german
    # It is seen as soon as the page opens.
    assert 'loading="lazy"' not in page
    assert 'class="drawing"' not in page


def test_is_lazy_unless_asked_otherwise() -> None:
    facts = PhotoFacts("f", 100, 50, (100,), {})

    assert picture(facts, "100vw")["lazy"] is True
    assert picture(facts, "100vw", lazy=False)["lazy"] is False
    assert picture(facts, "100vw")["src"] == "/photos/f/100.jpg"
    assert picture(facts, "100vw")["alt"] == ""
