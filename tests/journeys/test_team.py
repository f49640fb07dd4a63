"""The team's pages in a browser: by axe, wide and narrow, with and without JavaScript."""

from __future__ import annotations

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import expect

from bookings.infrastructure.connections import collection
from bookings.people import roles
from tests.journeys.conftest import Visit
from tests.journeys.test_desk import SETTLED
from tests.journeys.test_pages import NARROW, OVERFLOWING, RULES, WIDE
from tests.journeys.visitor import Visitor

TEAM = "/admin/team/"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


def log_in(visitor: Visitor, user: User) -> None:
    client = Client()
    client.force_login(user)
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    visitor.page.context.add_cookies([{**session, "url": visitor.origin}])


@pytest.fixture
def owner(visit: Visit) -> Visitor:
    visitor = visit()
    log_in(visitor, User.objects.create_superuser("owner", password="a long secret"))
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
    log_in(browser, ada)
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
    # Requests that axe itself makes to look at the page.
    owner.expect_complaint("Applying inline style")
    owner.expect_complaint("Couldn't load preload assets")
    owner.expect_complaint("widgets.css")
    ada, page = add_ada(), owner.page
    User.objects.create_user("gone", is_staff=True, is_active=False)
    found, sideways = [], []
    for address in (
        TEAM,
        f"{TEAM}invite/",
        f"{TEAM}{ada.pk}/",
        "/admin/admin/logentry/?booking=nothing",
    ):
        owner.go(address)
        page.evaluate(AXE_SCRIPT)
        for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate(SETTLED)
            results = AxeResults(page.evaluate("rules => axe.run('#content', rules)", RULES))
            if results.violations_count:
                found.append(f"{address}, {width} px, {scheme}: {results.generate_report()}")
        sideways += [f"{address}: {element}" for element in page.evaluate(OVERFLOWING)]

    assert found == [], "\n".join(found)
    assert sideways == []
