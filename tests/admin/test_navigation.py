"""The admin's navigation: every list is in it once, each person sees what they may open."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from bookings.people.roles import FRONT_DESK, MANAGER
from bookings.templatetags.navigation import SECTIONS, Shown, list_sections

pytestmark = pytest.mark.mongo


def person(*, role: str = "", rights: tuple[str, ...] = ()) -> User:
    user = User.objects.create_user(f"{role} {rights}", is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


def sections_of(user: User, path: str = "/admin/", *, rf: Any) -> list[Shown]:
    request = rf.get(path)
    request.user = user
    return list_sections(request)


def test_has_every_list_of_the_admin_once() -> None:
    listed = [page.model for section in SECTIONS for page in section.pages if page.model]

    assert sorted(listed) == sorted(
        f"{model._meta.app_label}.{model._meta.model_name}" for model in admin.site._registry
    )


@pytest.mark.parametrize("role", [FRONT_DESK, MANAGER, "owner"])
def test_leads_each_person_only_to_pages_that_open(client: Client, rf: Any, role: str) -> None:
    user = User.objects.create_superuser(role) if role == "owner" else person(role=role)
    client.force_login(user)
    shown = client.get("/admin/").content.decode()

    for section in sections_of(user, rf=rf):
        assert f'href="{section.url}"' in shown
        for label, url in section.pages:
            assert client.get(url, follow=True).status_code == 200, (role, label)


@pytest.mark.parametrize(
    ("rights", "labels"),
    [
        ((), ["Settings"]),
        (("view_bookingrecord",), ["Today", "Calendar", "Bookings", "Guests", "Settings"]),
        (("add_bookingrecord",), ["Calendar", "Bookings", "Settings"]),
        (("view_night",), ["Prices", "Settings"]),
        (("change_apiclient",), ["Connections", "Settings"]),
    ],
)
def test_shows_the_sections_with_something_to_see(
    rf: Any, rights: tuple[str, ...], labels: list[str]
) -> None:
    assert [section.label for section in sections_of(person(rights=rights), rf=rf)] == labels


@pytest.mark.parametrize(
    ("path", "section", "page"),
    [
        ("/admin/desk/today/", "Today", "/admin/desk/today/"),
        ("/admin/bookings/bookingrecord/", "Bookings", "/admin/bookings/bookingrecord/"),
        ("/admin/bookings/bookingrecord/7/move/", "Bookings", "/admin/bookings/bookingrecord/"),
        ("/admin/bookings/bookingrecord/add/", "Bookings", "/admin/bookings/bookingrecord/add/"),
        ("/admin/bookings/nightsjob/", "Prices", "/admin/bookings/nightsjob/"),
        ("/admin/team/invite/", "Team", "/admin/team/"),
        ("/admin/auth/user/add/", "Team", "/admin/auth/user/"),
        ("/admin/setup/demo/rooms/", "Settings", "/admin/setup/"),
    ],
)
def test_marks_where_the_reader_is(rf: Any, path: str, section: str, page: str) -> None:
    owner = User.objects.create_superuser("owner")

    assert {each.label: each.here for each in sections_of(owner, path, rf=rf) if each.here} == {
        section: page
    }


def test_marks_nothing_on_the_first_page(rf: Any) -> None:
    owner = User.objects.create_superuser("owner")

    assert not any(each.here for each in sections_of(owner, reverse("admin:index"), rf=rf))


def test_shows_nothing_before_the_login(client: Client) -> None:
    page = client.get("/admin/login/").content.decode()

    assert 'aria-label="Sections"' not in page
    assert 'id="find"' not in page
