"""The manager's pages in a real browser, under their own policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import expect

from bookings.infrastructure.connections import collection
from bookings.people.roles import MANAGER
from tests.conftest import night
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def manager(visitor: Visitor) -> Visitor:
    user = User.objects.create_user("manager", password="the-manager", is_staff=True)
    user.groups.add(Group.objects.get(name=MANAGER))
    visitor.go("/admin/")
    visitor.page.get_by_label("Username").fill("manager")
    visitor.page.get_by_label("Password").fill("the-manager")
    visitor.page.get_by_role("button", name="Log in").click()
    return visitor


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
def test_raises_prices_once_and_takes_its_own_file_back(manager: Visitor, tmp_path: Path) -> None:
    page = manager.page
    sections = page.get_by_role("navigation", name="Sections")
    sections.get_by_role("link", name="Prices", exact=True).click()
    page.get_by_label("Double").check()
    page.get_by_label("First night").fill(night(30))
    page.get_by_label("Last night").fill(night(31))
    page.get_by_label("Or change it by a percentage").fill("10")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("2 nights would change, 2 of them new")).to_be_visible()
    page.get_by_role("button", name="Apply").dblclick()
    expect(page.locator(".messagelist")).to_be_visible()
    raised = list(collection("nights").find())

    sections.get_by_role("link", name="Nights as CSV").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download nights").click()
    download.value.save_as(tmp_path / "nights.csv")
    collection("nights").update_many({}, {"$set": {"price": 1}})
    page.get_by_label("CSV file").set_input_files(tmp_path / "nights.csv")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Done. Import of nights.csv: 2 nights.")).to_be_visible()

    sections.get_by_role("link", name="Bookings", exact=True).click()
    sections.get_by_role("link", name="Occupancy and revenue").click()
    expect(page.get_by_role("img", name="Occupancy by night")).to_be_visible()
    assert [each["price"] for each in raised] == [13_200, 13_200]
    assert list(collection("nights").find()) == raised
