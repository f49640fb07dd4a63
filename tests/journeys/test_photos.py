"""Photos in a real browser: uploaded with a bar, ordered by dragging, seen by guests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from playwright.sync_api import expect

from bookings import tasks
from bookings.content.photos import changes
from bookings.people.roles import MANAGER
from tests.content.photos.pictures import photo
from tests.journeys.looks import overflowing
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

ALBUM = "/admin/bookings/photo/category/demo_double/"
OF = ("demo", "demo_double")


@pytest.fixture
def manager(visitor: Visitor) -> Visitor:
    user = User.objects.create_user("manager", password="the-manager", is_staff=True)
    user.groups.add(Group.objects.get(name=MANAGER))
    visitor.go(f"/admin/login/?next={ALBUM}")
    visitor.page.get_by_label("Username").fill("manager")
    visitor.page.get_by_label("Password").fill("the-manager")
    visitor.page.get_by_role("button", name="Log in").click()
    # Its scripts, without which the form takes one photo, have run once it is loaded.
    visitor.page.wait_for_url(f"**{ALBUM}")
    return visitor


def pictures(folder: Path, count: int) -> list[Path]:
    made = []
    for number in range(count):
        path = folder / f"photo-{number}.jpg"
        path.write_bytes(photo(1000 + number, 700))
        made.append(path)
    return made


def order() -> list[str]:
    return [str(row["_id"]) for row in changes.list_photos(*OF)]


@pytest.mark.parametrize("javascript", [True])
def test_uploads_orders_and_deletes_photos(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page
    page.set_viewport_size({"width": 375, "height": 800})
    page.get_by_label("Photo").set_input_files(pictures(tmp_path, 3))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("being converted")).to_have_count(3)
    assert overflowing(page) == []

    # The running site and this process share the folder that the settings name.
    assert settings.PHOTOS_FOLDER
    assert tasks.convert_photos() == 3
    expect(page.locator(".album img")).to_have_count(3)
    assert overflowing(page) == []
    one, two, three = order()

    page.get_by_role("button", name=re.compile("^Later.*photo 1$")).press("Enter")
    expect(page.locator(f"#photo-{one} h2")).to_contain_text("Photo 2")
    assert order() == [two, one, three]
    # All three are in sight, since nothing scrolls while the mouse is down.
    page.set_viewport_size({"width": 1280, "height": 1600})
    page.wait_for_load_state()
    page.locator(f"#photo-{three} .shown img").drag_to(
        page.locator(f"#photo-{two} h2"), target_position={"x": 5, "y": 2}
    )
    expect(page.locator(f"#photo-{three} h2")).to_contain_text("Photo 1")
    assert order() == [three, two, one]

    page.locator(f"#photo-{three}").get_by_label("What it shows, in English").fill("A wide bed")
    page.locator(f"#photo-{three}").get_by_role("button", name="Save").click()
    expect(page.get_by_text("The description is saved.")).to_be_visible()
    page.locator(f"#photo-{one} summary").click()
    page.locator(f"#photo-{one}").get_by_role("button", name="Yes, delete it for good").click()
    expect(page.get_by_text("The photo is deleted.")).to_be_visible()
    assert order() == [three, two]

    manager.look_for()
    seen = page.get_by_role("img", name="A wide bed")
    expect(seen).to_be_visible()
    loaded = seen.evaluate("image => [image.currentSrc, image.naturalWidth]")
    assert loaded[0].endswith(".avif")
    assert loaded[1] > 0
    assert overflowing(page) == []


@pytest.mark.parametrize("javascript", [True])
def test_says_in_the_page_why_a_file_is_refused(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page
    good, bad, large = pictures(tmp_path, 3)
    bad.write_bytes(b"GIF89a")
    large.write_bytes(bytes(25_000_001))
    manager.expect_complaint("400")

    page.get_by_label("Photo").set_input_files([bad, large, good])
    page.get_by_role("button", name="Upload").click()

    status = page.get_by_role("status")
    expect(status).to_contain_text("This is not a photo in a known format")
    expect(status).to_contain_text("choose one of at most 25 MB")
    expect(status).to_contain_text("Uploaded.")
    assert len(order()) == 1
    page.get_by_role("button", name="Show the photos that were uploaded").click()
    expect(page.get_by_text("being converted")).to_have_count(1)


@pytest.mark.parametrize("javascript", [True])
def test_asks_before_a_typed_description_is_lost(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page
    page.get_by_label("Photo").set_input_files(pictures(tmp_path, 2))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("being converted")).to_have_count(2)
    one, two = (page.locator(f"#photo-{photo_id}") for photo_id in order())
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    typed = two.get_by_label("What it shows, in English")
    typed.fill("A wide bed")
    one.get_by_label("What it shows, in English").fill("A desk")

    one.get_by_role("button", name="Save").click()
    two.get_by_role("button", name="Earlier").click()

    assert len(asked) == 2
    expect(typed).to_have_value("A wide bed")
    one.get_by_label("What it shows, in English").fill("")
    two.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The description is saved.")).to_be_visible()
    assert len(asked) == 2


@pytest.mark.parametrize("javascript", [True])
def test_says_that_the_login_has_ended(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page
    small, large = pictures(tmp_path, 2)
    large.write_bytes(large.read_bytes() + bytes(200_000))
    manager.expect_complaint("413")
    page.context.clear_cookies(name="sessionid")

    page.get_by_label("Photo").set_input_files([small, large])
    page.get_by_role("button", name="Upload").click()

    said = "You are no longer logged in; open this page again."
    expect(page.get_by_role("status").get_by_text(said)).to_have_count(2)
    assert order() == []


@pytest.mark.parametrize("javascript", [False])
def test_uploads_one_photo_without_scripts(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page

    page.get_by_label("Photo").set_input_files(pictures(tmp_path, 1)[0])
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_text("being converted")).to_be_visible()
    assert len(order()) == 1
