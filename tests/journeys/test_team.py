"""The team's pages in a browser: by axe, wide and narrow, with and without JavaScript."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import expect

from bookings.infrastructure.connections import collection
from bookings.people import roles
from tests.journeys.conftest import Visit
from tests.journeys.looks import NARROW, WIDE, allow_axe, find_faults
from tests.journeys.visitor import Visitor

TEAM = "/admin/team/"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def owner(visit: Visit) -> Visitor:
    visitor = visit()
    visitor.log_in(User.objects.create_superuser("owner", password="a long secret"))
    return visitor


def add_ada() -> User:
    ada = User.objects.create_user(
        "ada", "ada@inn.example", "a long secret", first_name="Ada", is_staff=True
    )
    ada.groups.add(Group.objects.get(name=roles.FRONT_DESK))
    return ada


@pytest.mark.parametrize("javascript", [True, False])
def test_leads_an_owner_from_an_invitation_to_the_end_of_the_sessions(
    owner: Visitor, visit: Visit
) -> None:
    ada, page = add_ada(), owner.page
    browser = visit()
    browser.log_in(ada)
    browser.go("/admin/")

    owner.go(TEAM)
    page.get_by_role("link", name="Invite a colleague").click()
    page.get_by_label("Name", exact=False).first.fill("Bob")
    page.get_by_label("E-mail").fill("bob@inn.example")
    page.get_by_label("All hotels").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="Bob", exact=True)).to_be_visible()
    assert collection("letters").count_documents({}) == 1

    owner.go(TEAM)
    page.get_by_role("link", name="Ada", exact=True).click()
    page.get_by_label("Manager").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ada: saved.")).to_be_visible()
    page.get_by_text("End all sessions…").click()
    page.get_by_role("button", name="Yes, end all sessions of Ada").click()
    expect(page.get_by_text("All sessions of Ada have ended.")).to_be_visible()

    browser.go("/admin/")
    expect(browser.page.get_by_role("button", name="Log in")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
def test_is_accessible_and_fits_a_telephone(owner: Visitor) -> None:
    allow_axe(owner)
    ada, page = add_ada(), owner.page
    User.objects.create_user("gone", is_staff=True, is_active=False)
    found = []
    for address in (
        TEAM,
        f"{TEAM}invite/",
        f"{TEAM}{ada.pk}/",
        "/admin/admin/logentry/?booking=nothing",
    ):
        owner.go(address)
        for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            where = f"{address}, {width} px, {scheme}"
            found += find_faults(page, where, within="#content")

    assert found == [], "\n".join(found)
