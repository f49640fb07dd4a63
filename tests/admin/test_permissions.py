"""Who may open which page of the admin: every URL of it, for everyone, in one table.

A URL that is not in the table fails, so none is forgotten. Views are called as the site calls them,
except for middleware and rendering, which the tests of the pages cover.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import resolve

from bookings.domain.callers import Caller
from bookings.front_desk import blocks
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.queues import failed_work
from bookings.models import (
    ApiClient,
    CategoryContent,
    HotelContent,
    NightsJob,
    WebhookEndpoint,
)
from bookings.news import relay
from bookings.news.webhooks import endpoints
from bookings.people import staff_hotels
from bookings.people.roles import FRONT_DESK, MANAGER
from tests.calls import CUSTOMER, book
from tests.conftest import night
from tests.hotels import put_night
from tests.url_patterns import patterns_of_site

pytestmark = pytest.mark.mongo

# For staff without a group, front desk, manager and superuser, and for front desk and manager of
# another hotel than the one whose objects these are: first what a GET is answered with, then a POST
# of nothing. 200 is a page, also one that says what is missing or asks again; 302
# leads on, 403 and 404 refuse, 405 means that this method is not allowed.
#
# Everyone else is led to the login, except for the lines under OPEN.
#
# To add a page, add its line: the pattern as the site knows it, and in `urls` below what
# its object is if it is of a new model.
TABLE = """
(index)                                          200 200 200 200  200 200   200 200 200 200  200 200
password_change/                                 200 200 200 200  200 200   200 200 200 200  200 200
password_change/done/                            200 200 200 200  200 200   405 405 405 405  405 405
autocomplete/                                    403 200 200 200  200 200   405 405 405 405  405 405
jsi18n/                                          200 200 200 200  200 200   405 405 405 405  405 405
r/<path:content_type_id>/<path:object_id>/       404 404 404 404  404 404   404 404 404 404  404 404
(application)                                    404 200 200 200  200 200   404 200 200 200  200 200
(?P<url>.*)$                                     404 404 404 404  404 404   404 404 404 404  404 404

second-factor/                                   302 302 302 302  302 302   302 302 302 302  302 302
second-factor/device/                            200 200 200 200  200 200   200 200 200 200  200 200

auth/group/                                      403 403 200 200  403 403   403 403 200 200  403 403
auth/group/add/                                  403 403 403 200  403 403   403 403 403 200  403 403
auth/group/<path:object_id>/                     302 302 302 302  302 302   302 302 302 302  302 302
auth/group/<path:object_id>/change/              403 403 200 200  403 403   403 403 403 200  403 403
auth/group/<path:object_id>/delete/              403 403 403 200  403 403   403 403 403 200  403 403
auth/group/<path:object_id>/history/             403 403 200 200  403 403   403 403 200 200  403 403
auth/user/                                       403 403 200 200  403 403   403 403 200 200  403 403
auth/user/add/                                   403 403 403 200  403 403   403 403 403 200  403 403
auth/user/<id>/password/                         403 403 403 200  403 403   403 403 403 200  403 403
auth/user/<path:object_id>/                      302 302 302 302  302 302   302 302 302 302  302 302
auth/user/<path:object_id>/change/               403 403 200 200  403 403   403 403 403 200  403 403
auth/user/<path:object_id>/delete/               403 403 403 200  403 403   403 403 403 200  403 403
auth/user/<path:object_id>/history/              403 403 200 200  403 403   403 403 200 200  403 403

desk/today/                                      403 200 200 200  200 200   403 200 200 200  200 200
desk/mark/<str:booking_id>/                      403 405 405 405  405 405   403 302 302 302  302 302
desk/occupancy/                                  403 200 200 200  200 200   403 200 200 200  200 200
desk/occupancy/<str:booking_id>/                 403 302 302 302  404 404   403 302 302 302  404 404
desk/occupancy/<str:booking_id>/details/         403 200 200 200  404 404   403 200 200 200  404 404
desk/occupancy/<str:room_id>/<str:night>/        403 302 302 302  302 302   403 302 302 302  302 302
desk/guests/                                     403 200 200 200  200 200   403 200 200 200  200 200
desk/guests/retention/                           403 403 200 200  403 403   403 403 200 200  403 403
desk/guests/<str:booking_id>/                    403 200 200 200  404 404   403 200 200 200  404 404
desk/guests/<str:booking_id>/join/               403 405 405 405  405 405   403 302 302 302  404 404
desk/guests/<str:booking_id>/part/               403 405 405 405  405 405   403 302 302 302  404 404
desk/guests/<str:booking_id>/export/             403 403 405 405  403 403   403 403 200 200  403 403
desk/guests/<str:booking_id>/erase/              403 403 200 200  403 403   403 403 200 200  403 403
desk/rooms/                                      403 200 200 200  200 200   403 200 200 200  200 200
team/                                            403 403 200 200  403 403   405 405 405 405  405 405
team/invite/                                     403 403 403 200  403 403   403 403 403 200  403 403
team/<str:user_id>/                              403 403 200 200  403 403   403 403 403 200  403 403
team/<str:user_id>/close/                        405 405 405 405  405 405   403 403 403 302  403 403
team/<str:user_id>/open/                         405 405 405 405  405 405   403 403 403 302  403 403
team/<str:user_id>/end-sessions/                 405 405 405 405  405 405   403 403 403 302  403 403
team/<str:user_id>/invite-again/                 405 405 405 405  405 405   403 403 403 302  403 403
setup/                                           403 403 302 302  403 200   403 403 302 302  403 200
setup/new/                                       403 403 200 200  403 403   403 403 200 200  403 403
setup/<str:hotel_id>/hotel/                      403 403 302 302  403 404   403 403 302 302  403 404
setup/<str:hotel_id>/categories/                 403 403 200 200  403 404   403 403 200 200  403 404
setup/<str:hotel_id>/rooms/                      403 403 200 200  403 404   403 403 302 302  403 404
setup/<str:hotel_id>/photos/                     403 403 200 200  403 404   403 403 200 200  403 404
setup/<str:hotel_id>/colleagues/                 403 403 200 200  403 404   403 403 403 302  403 404
setup/<str:hotel_id>/preview/                    403 403 200 200  403 404   403 403 200 200  403 404

bookings/bookingrecord/                          403 200 200 200  200 200   403 200 200 200  200 200
bookings/bookingrecord/add/                      403 200 200 200  200 200   403 200 200 200  200 200
bookings/bookingrecord/add/guests/               403 200 200 200  200 200   405 405 405 405  405 405
bookings/bookingrecord/<path:object_id>/         302 302 302 302  302 302   302 302 302 302  302 302
bookings/bookingrecord/<path:object_id>/change/  403 200 200 200  302 302   403 403 403 403  403 403
bookings/bookingrecord/<path:object_id>/delete/  403 403 403 403  403 403   403 403 403 403  403 403
bookings/bookingrecord/<path:object_id>/history/ 403 200 200 200  302 302   403 200 200 200  302 302
bookings/bookingrecord/<str:booking_id>/card/    403 200 200 200  404 404   405 405 405 405  405 405
bookings/bookingrecord/<str:booking_id>/edit/    403 200 200 200  404 404   403 200 200 200  404 404
bookings/bookingrecord/<str:booking_id>/remark/  403 200 200 200  404 404   403 200 200 200  404 404
bookings/bookingrecord/<str:booking_id>/delete-remark/ 405 405 405 405  405 405   403 302 302 302  404 404
bookings/bookingrecord/<str:booking_id>/send-again/ 405 405 405 405  405 405   403 302 302 302  404 404
bookings/bookingrecord/<str:booking_id>/cancel/  403 200 200 200  404 404   403 200 200 200  404 404
bookings/bookingrecord/<str:booking_id>/confirm/ 405 405 405 405  405 405   403 302 302 302  404 404
bookings/bookingrecord/<str:booking_id>/move/    403 200 200 200  404 404   403 200 200 200  404 404
bookings/roomblock/                              403 200 200 200  200 200   403 200 200 200  200 200
bookings/roomblock/add/                          403 200 200 200  200 200   403 200 200 200  200 200
bookings/roomblock/<path:object_id>/             302 302 302 302  302 302   302 302 302 302  302 302
bookings/roomblock/<path:object_id>/change/      403 200 200 200  302 302   403 403 403 403  403 403
bookings/roomblock/<path:object_id>/delete/      403 403 403 403  403 403   403 403 403 403  403 403
bookings/roomblock/<path:object_id>/history/     403 200 200 200  302 302   403 200 200 200  302 302
bookings/roomblock/<str:booking_id>/cancel/      403 200 200 200  404 404   403 200 200 200  404 404
bookings/deliveryrecord/                         403 200 200 200  200 200   403 200 200 200  200 200
bookings/deliveryrecord/add/                     403 403 403 403  403 403   403 403 403 403  403 403
bookings/deliveryrecord/<path:object_id>/        302 302 302 302  302 302   302 302 302 302  302 302
bookings/deliveryrecord/<path:object_id>/change/ 403 200 200 200  302 302   403 403 403 403  403 403
bookings/deliveryrecord/<path:object_id>/delete/ 403 403 403 403  403 403   403 403 403 403  403 403
bookings/deliveryrecord/<path:object_id>/history/ 403 200 200 200  302 302   403 200 200 200  302 302
bookings/failedwork/                             403 403 200 200  403 403   403 403 200 200  403 403
bookings/failedwork/add/                         403 403 403 403  403 403   403 403 403 403  403 403
bookings/failedwork/<path:object_id>/            302 302 302 302  302 302   302 302 302 302  302 302
bookings/failedwork/<path:object_id>/change/     403 403 200 200  403 403   403 403 403 403  403 403
bookings/failedwork/<path:object_id>/delete/     403 403 200 200  403 403   403 403 200 200  403 403
bookings/failedwork/<path:object_id>/history/    403 403 200 200  403 403   403 403 200 200  403 403

bookings/hotel/                                  403 200 200 200  200 200   403 200 200 200  200 200
bookings/hotel/add/                              403 403 200 200  403 403   403 403 200 200  403 403
bookings/hotel/<path:object_id>/                 302 302 302 302  302 302   302 302 302 302  302 302
bookings/hotel/<path:object_id>/change/          403 200 200 200  302 302   403 403 200 200  403 302
bookings/hotel/<path:object_id>/delete/          403 403 200 200  403 403   403 403 200 200  403 403
bookings/hotel/<path:object_id>/history/         403 200 200 200  302 302   403 200 200 200  302 302
bookings/roomcategory/                           403 200 200 200  200 200   403 200 200 200  200 200
bookings/roomcategory/add/                       403 403 200 200  403 200   403 403 200 200  403 200
bookings/roomcategory/<path:object_id>/          302 302 302 302  302 302   302 302 302 302  302 302
bookings/roomcategory/<path:object_id>/change/   403 200 200 200  302 302   403 403 200 200  403 302
bookings/roomcategory/<path:object_id>/delete/   403 403 200 200  403 302   403 403 200 200  403 302
bookings/roomcategory/<path:object_id>/history/  403 200 200 200  302 302   403 200 200 200  302 302
bookings/room/                                   403 200 200 200  200 200   403 200 200 200  200 200
bookings/room/add/                               403 403 200 200  403 200   403 403 200 200  403 200
bookings/room/<path:object_id>/                  302 302 302 302  302 302   302 302 302 302  302 302
bookings/room/<path:object_id>/change/           403 200 200 200  302 302   403 403 200 200  403 302
bookings/room/<path:object_id>/delete/           403 403 200 200  403 302   403 403 200 200  403 302
bookings/room/<path:object_id>/history/          403 200 200 200  302 302   403 200 200 200  302 302

bookings/hotelcontent/                           403 403 200 200  403 200   403 403 200 200  403 200
bookings/hotelcontent/add/                       403 403 200 200  403 200   403 403 200 200  403 200
bookings/hotelcontent/<path:object_id>/          302 302 302 302  302 302   302 302 302 302  302 302
bookings/hotelcontent/<path:object_id>/change/   403 403 200 200  403 302   403 403 302 302  403 302
bookings/hotelcontent/<path:object_id>/delete/   403 403 200 200  403 403   403 403 200 200  403 403
bookings/hotelcontent/<path:object_id>/history/  403 403 200 200  302 302   403 403 200 200  302 302
bookings/categorycontent/                        403 403 200 200  403 200   403 403 200 200  403 200
bookings/categorycontent/add/                    403 403 200 200  403 200   403 403 200 200  403 200
bookings/categorycontent/<path:object_id>/       302 302 302 302  302 302   302 302 302 302  302 302
bookings/categorycontent/<path:object_id>/change/ 403 403 200 200  403 302   403 403 302 302  403 302
bookings/categorycontent/<path:object_id>/delete/ 403 403 200 200  403 302   403 403 200 200  403 302
bookings/categorycontent/<path:object_id>/history/ 403 403 200 200  302 302   403 403 200 200  302 302

bookings/night/                                  403 200 200 200  200 200   403 200 200 200  200 200
bookings/night/add/                              403 403 200 200  403 200   403 403 200 200  403 200
bookings/night/<path:object_id>/                 302 302 302 302  302 302   302 302 302 302  302 302
bookings/night/<path:object_id>/change/          403 200 200 200  302 302   403 403 200 200  403 302
bookings/night/<path:object_id>/delete/          403 403 200 200  403 302   403 403 200 200  403 302
bookings/night/<path:object_id>/history/         403 200 200 200  302 302   403 200 200 200  302 302
bookings/nightsjob/                              403 403 200 200  403 200   403 403 200 200  403 200
bookings/nightsjob/add/                          403 403 200 200  403 200   403 403 200 200  403 200
bookings/nightsjob/<path:object_id>/             302 302 302 302  302 302   302 302 302 302  302 302
bookings/nightsjob/<path:object_id>/change/      403 403 200 200  403 302   403 403 403 403  403 403
bookings/nightsjob/<path:object_id>/delete/      403 403 200 200  403 302   403 403 200 200  403 302
bookings/nightsjob/<path:object_id>/history/     403 403 200 200  302 302   403 403 200 200  302 302
bookings/pricecalendar/                          403 200 200 200  200 200   403 403 200 200  200 200
bookings/nightsfile/                             403 200 200 200  200 200   403 403 200 200  403 200
bookings/nightsfile/export/                      403 200 200 200  200 200   403 405 405 405  405 405
bookings/photo/                                  403 403 200 200  403 200   403 403 200 200  403 200
bookings/photo/<str:kind>/<str:key>/             403 403 200 200  403 404   403 403 200 200  403 404
bookings/photo/<str:kind>/<str:key>/upload/      403 403 405 405  403 405   403 403 302 302  403 404
bookings/photo/<str:kind>/<str:key>/change/      405 405 405 405  405 405   403 403 302 302  404 404
bookings/brand/                                  403 403 200 200  403 403   403 403 400 400  403 403
bookings/brand/book-now/                         403 403 200 200  403 403   405 405 405 405  405 405
bookings/brand/embedding/                        403 403 200 200  403 403   403 403 400 400  403 403
bookings/brand/preview/<str:colour>/             403 403 200 200  403 403   403 403 200 200  403 403
bookings/figures/                                403 403 200 200  403 200   403 403 405 405  403 405
bookings/figures/csv/                            403 403 200 200  403 200   403 403 405 405  403 405
admin/logentry/                                  403 403 200 200  403 403   403 403 405 405  403 403

bookings/apiclient/                              403 403 200 200  403 403   403 403 200 200  403 403
bookings/apiclient/add/                          403 403 200 200  403 403   403 403 200 200  403 403
bookings/apiclient/<path:object_id>/             302 302 302 302  302 302   302 302 302 302  302 302
bookings/apiclient/<path:object_id>/change/      403 403 200 200  403 403   403 403 200 200  403 403
bookings/apiclient/<path:object_id>/delete/      403 403 200 200  403 403   403 403 200 200  403 403
bookings/apiclient/<path:object_id>/history/     403 403 200 200  403 403   403 403 200 200  403 403
bookings/apiclient/<str:client_id>/issue-token/  405 405 405 405  405 405   403 403 302 302  403 403
bookings/apiclient/<str:client_id>/revoke-token/ 405 405 405 405  405 405   403 403 404 404  403 403
bookings/webhookendpoint/                        403 403 200 200  403 403   403 403 200 200  403 403
bookings/webhookendpoint/add/                    403 403 200 200  403 403   403 403 200 200  403 403
bookings/webhookendpoint/<path:object_id>/       302 302 302 302  302 302   302 302 302 302  302 302
bookings/webhookendpoint/<path:object_id>/change/ 403 403 200 200  403 403   403 403 200 200  403 403
bookings/webhookendpoint/<path:object_id>/delete/ 403 403 200 200  403 403   403 403 200 200  403 403
bookings/webhookendpoint/<path:object_id>/history/ 403 403 200 200  403 403   403 403 200 200  403 403
bookings/webhookendpoint/<str:endpoint_id>/rotate-secret/ 405 405 405 405  405 405   403 403 200 200  403 403
bookings/webhookendpoint/<str:endpoint_id>/end-earlier-secrets/ 405 405 405 405  405 405   403 403 302 302  403 403
bookings/webhookendpoint/<str:endpoint_id>/request-test/ 405 405 405 405  405 405   403 403 302 302  403 403
bookings/webhookendpoint/<str:endpoint_id>/test/ 403 403 200 200  403 403   405 405 405 405  405 405
bookings/webhookendpoint/<str:endpoint_id>/send-again/ 405 405 405 405  405 405   403 403 302 302  403 403
idempotency/idempotencykey/                      403 403 403 200  403 403   403 403 403 200  403 403
"""  # noqa: E501

# Open to people who are not staff, too, as OPEN_TO_OTHERS says.
OPEN = """
login/                                           302 302 302 302  302 302   200 200 200 200  200 200
logout/                                          405 405 405 405  405 405   302 302 302 302  302 302
"""
OPEN_TO_OTHERS = {"login/": {"GET": 200, "POST": 200}, "logout/": {"GET": 302, "POST": 302}}

ELSEWHERE = " at another hotel"
STAFF = (
    "without a group",
    FRONT_DESK,
    MANAGER,
    "superuser",
    FRONT_DESK + ELSEWHERE,
    MANAGER + ELSEWHERE,
)
METHODS = ("GET", "POST")


def expected() -> dict[str, dict[tuple[str, str], int]]:
    """Returns by pattern the answer that each kind of staff gets for each method."""
    found = {}
    for line in (TABLE + OPEN).split("\n"):
        if line:
            pattern, *codes = line.split()
            who = [(name, method) for method in METHODS for name in STAFF]
            found[pattern] = dict(zip(who, map(int, codes), strict=True))
    return found


def patterns() -> list[str]:
    """Returns every pattern of the site's URLs that begins with admin/, once."""
    found = [
        pattern.removeprefix("admin/")
        for pattern in patterns_of_site()
        if pattern.startswith("admin/")
    ]
    return [
        "(application)" if "app_label" in pattern else pattern or "(index)" for pattern in found
    ]


@pytest.fixture
def urls(database: None) -> Iterator[dict[str, str]]:
    """Returns a URL for each pattern, with an existing object."""
    contents = HotelContent.objects.get(pk="demo"), CategoryContent.objects.get(pk="demo_double")
    put_night("demo_double", night(40))
    job = NightsJob.objects.create(
        hotel_id="demo",
        start=night(1),
        end=night(2),
        weekdays="mon",
        total=1,
        created_at=clock.now(),
    )
    block = blocks.block_rooms(
        actor=Caller("user", "staff"),
        room_ids=("room_B",),
        first=date.fromisoformat(night(3)),
        end=date.fromisoformat(night(5)),
        reason="Paint",
        key_header="block",
        deadline=Deadline.after(10),
    )
    guest = {"name": "Ada", "email": "ada@example.org"}
    booking = book(caller=CUSTOMER, guest=guest).content["booking"]["id"]
    relay.pass_on_news()
    delivery = collection("deliveries").find_one()
    assert delivery is not None
    somebody = User.objects.create_user("somebody")
    colleague = User.objects.create_user("colleague", is_staff=True)
    partner = ApiClient.objects.create(name="partner")
    _, secret = endpoints.new_secret()
    endpoint = WebhookEndpoint.objects.create(
        client=partner, url="https://partner.example/hook", **secret
    )
    failed_work.note("letters", 1, KeyError(), is_over=True)
    objects = {
        "auth/group": Group.objects.get(name=FRONT_DESK).pk,
        "auth/user": somebody.pk,
        "bookings/bookingrecord": booking,
        "desk/mark": booking,
        "desk/guests": booking,
        "desk/occupancy": booking,
        "setup/<str:hotel_id>": "demo",
        "team/<str:user_id>": colleague.pk,
        "bookings/roomblock": block.content["booking"]["id"],
        "bookings/deliveryrecord": delivery["_id"],
        "bookings/failedwork": "letters:1",
        "bookings/hotel": "demo",
        "bookings/roomcategory": "demo_double",
        "bookings/hotelcontent": "demo",
        "bookings/categorycontent": "demo_double",
        "bookings/room": "room_A",
        "bookings/night": f"demo_double|{night(40)}",
        "bookings/nightsjob": job.pk,
        "bookings/apiclient": partner.pk,
        "bookings/webhookendpoint": endpoint.pk,
    }
    found = {
        "(index)": "",
        "autocomplete/": "autocomplete/?app_label=bookings&model_name=night&field_name=category",
        "(application)": "bookings/",
        "bookings/brand/preview/<str:colour>/": "bookings/brand/preview/ffff00/",
        "(?P<url>.*)$": "nowhere/",
        "r/<path:content_type_id>/<path:object_id>/": (
            f"r/{ContentType.objects.get_for_model(User).pk}/{somebody.pk}/"
        ),
    }
    for action in ("", "upload/", "change/"):
        found[f"bookings/photo/<str:kind>/<str:key>/{action}"] = (
            f"bookings/photo/category/demo_double/{action}"
        )
    for pattern in patterns():
        if pattern not in found:
            model = "/".join(pattern.split("/")[:2])
            found[pattern] = re.sub("<.*?>", lambda _: quote(str(objects[model])), pattern)  # noqa: B023
    yield found
    # A form of nothing empties content, since every field of it may be empty.
    for content in contents:
        content.save()


def answer(user: Any, method: str, url: str) -> tuple[int, str]:
    """Returns the status and the target; the user keeps the rights that were looked up."""
    request = RequestFactory().generic(method, f"/admin/{url}")
    request.user = user
    request.session = SessionStore()
    request.deadline = Deadline.after(10)  # type: ignore[attr-defined]
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    view, arguments, named = resolve(request.path_info)
    try:
        response = view(request, *arguments, **named)
    except PermissionDenied:
        return 403, ""
    except Http404:
        return 404, ""
    return response.status_code, getattr(response, "url", "")


def test_has_a_line_for_every_url() -> None:
    assert sorted(patterns()) == sorted(expected())


@pytest.mark.parametrize("name", STAFF)
def test_answers_staff_as_the_table_says(urls: dict[str, str], name: str) -> None:
    user = User.objects.create_user("user", is_staff=True, is_superuser=name == "superuser")
    if (role := name.removesuffix(ELSEWHERE)) in (FRONT_DESK, MANAGER):
        user.groups.add(Group.objects.get(name=role))
    if name.endswith(ELSEWHERE):
        assert staff_hotels.set_hotels(user.pk, frozenset({"elsewhere"}), before=None)

    others = {
        (pattern, method): found
        for pattern, codes in expected().items()
        for method in METHODS
        if (found := answer(user, method, urls[pattern])[0]) != codes[name, method]
    }

    assert others == {}


@pytest.mark.parametrize("who", ["anonymous", "customer"])
def test_leads_everybody_else_to_the_login(urls: dict[str, str], who: str) -> None:
    user = AnonymousUser() if who == "anonymous" else User.objects.create_user("customer")

    others = {}
    for pattern in expected():
        for method in METHODS:
            status, url = answer(user, method, urls[pattern])
            wanted = OPEN_TO_OTHERS.get(pattern, {}).get(method)
            if wanted != status and not (wanted is None and url.startswith("/admin/login/?next=")):
                others[pattern, method] = (status, url)

    assert others == {}
