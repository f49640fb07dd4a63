"""The lists of the admin that are made faster than Django makes them say the same."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import RequestFactory

pytestmark = pytest.mark.mongo

PATHS = (
    "/admin/",
    "/admin/desk/occupancy/",
    "/admin/bookings/bookingrecord/",
    "/admin/bookings/bookingrecord/add/",
)

ROLES: dict[str, tuple[str, ...]] = {
    "no one": (),
    "reader": ("view_bookingrecord", "view_user"),
    "writer": ("add_bookingrecord", "change_hotel"),
}


def request_of(role: str, path: str) -> HttpRequest:
    request = RequestFactory().get(path)
    if role == "superuser":
        request.user = User.objects.create_superuser(f"{role} {path}")
    else:
        request.user = User.objects.create_user(f"{role} {path}", is_staff=True)
        request.user.user_permissions.set(Permission.objects.filter(codename__in=ROLES[role]))
    return request


@pytest.mark.parametrize("role", ["superuser", *ROLES])
def test_lists_the_models_that_django_lists(role: str) -> None:
    for path in PATHS:
        request = request_of(role, path)

        for _ in range(2):
            made = admin.site.get_app_list(request)
            assert made == admin.AdminSite.get_app_list(admin.site, request)
