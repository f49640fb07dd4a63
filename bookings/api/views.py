"""The REST API: each view reads the request, makes one service call and sends its outcome."""

from functools import cache, partial
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.api import shapes
from bookings.api.authentication import token_of
from bookings.api.filters import Filters, hotel_for
from bookings.api.parsing import read_json
from bookings.api.permissions import HasScope
from bookings.api.schema import (
    availability_schema,
    calendar_schema,
    cancel_schema,
    change_schema,
    confirm_schema,
    create_schema,
    extend_hold_schema,
    get_schema,
    list_schema,
    resources_schema,
)
from bookings.api.throttling import CallerThrottle, RemoteAddressThrottle
from bookings.availability import search
from bookings.catalogue import inventory
from bookings.domain.booking import STATUSES
from bookings.domain.callers import BOOK, READ, Caller
from bookings.domain.stay_request import MAX_GUESTS
from bookings.infrastructure import recent_reads
from bookings.infrastructure.compression import compress
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.opening import Opening
from bookings.infrastructure.throttles import remote_address_of
from bookings.people import tokens
from bookings.refusals import (
    Fault,
    PermissionDenied,
    Refusal,
    UnsupportedMediaType,
    ValidationFailed,
)
from bookings.stays import create, lifecycle, own_bookings, rebooking
from bookings.stays.create import Outcome
from idempotency.django.drf import IdempotentMixin

MAX_PAGE = 100


class ApiRequest(Request):
    """The types of what authentication and bookingsite/middleware.py add to a request."""

    user: Caller  # type: ignore[assignment]
    deadline: Deadline


class CallerMayHaveChanged(Exception):
    """Something changed since this process read who the caller is, so the request starts again."""


class ApiView(APIView):
    """Counts each request by remote address and by caller, and finds out who is calling.

    What Redis is asked for that goes out in one round trip (`opening`). A view that claims
    a key passes it on to the claim. A caller that this process does not know is counted by address
    before MongoDB is asked, which limits guesses at tokens.
    """

    permission_classes = (HasScope,)
    scope: str  # that a token needs

    passes_on_opening: tuple[str, ...] = ()  # the methods that do

    opening: Opening
    starts_again: bool

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.opening, self.starts_again = Opening(), False
        try:
            return super().dispatch(request, *args, **kwargs)
        except CallerMayHaveChanged:
            self.opening, self.starts_again = Opening(), True
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        change = recent_reads.last_change()
        token = token_of(request)
        is_kept = False
        if not self.starts_again:
            RemoteAddressThrottle().queue(self.opening, remote_address_of(request))
            is_kept = token is not None and tokens.is_kept(token)

        def look_for_change() -> None:
            # Another request of this process may have heard of the change first.
            if recent_reads.last_change() is not change:
                raise CallerMayHaveChanged

        if not is_kept:
            # What is read after this is as new as the value in Redis.
            recent_reads.queue_generation(self.opening)
            self.opening.send()
        # Before the framework judges `Accept`: that request counts for the caller, too.
        self.perform_authentication(request)
        if request.user and not self.starts_again:
            CallerThrottle().queue(self.opening, request.user)
        if is_kept:
            # After the limits, since a request over one of them does not start again.
            recent_reads.queue_generation(self.opening, noted=look_for_change)
        super().initial(request, *args, **kwargs)
        if request.method not in self.passes_on_opening:
            self.opening.send()

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        # No browser sends a token by itself, so no other site can make one ask.
        if isinstance(answer, Response) and request.method == "GET" and token_of(request):
            answer.add_post_render_callback(partial(compress, request))
        return answer

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, CallerMayHaveChanged):
            raise exc  # to `dispatch`
        try:
            # A request that was refused before its claim counts, too.
            self.opening.send()
        except Refusal as throttled:
            exc = throttled
        return super().handle_exception(exc)


class BookingsView(IdempotentMixin, ApiView):
    scope = BOOK
    passes_on_opening = ("POST",)

    @create_schema
    def post(self, request: ApiRequest) -> Outcome:
        outcome = create.create_booking(
            caller=request.user,
            key_header=request.headers.get("Idempotency-Key"),
            # Asked for up to three times. An exception is not kept, and raised each time.
            read_payload=cache(lambda: read_json(request)),
            deadline=request.deadline,
            remote_address=remote_address_of(request),
            opening=self.opening,
        )
        # Another token of the same partner may have booked under this key.
        booked = None if request.user.hotels is None else outcome.content.get("booking")
        if booked and not request.user.may_know(booked["hotelId"]):
            raise PermissionDenied("This key booked at a hotel that this token is not for.")
        return outcome

    @list_schema
    def get(self, request: ApiRequest) -> Response:
        if "updatedSince" in request.query_params:
            return self._changed(request)
        filters = Filters(request, "userId", "resourceId", "date", "status", "cursor", "limit")
        found, cursor = own_bookings.list_bookings(
            viewer=request.user,
            user_id=filters.text("userId"),
            room=filters.id("resourceId"),
            night=filters.night("date"),
            status=filters.choice("status", STATUSES),
            cursor=filters.object_id("cursor"),
            limit=filters.number("limit", 1, MAX_PAGE, default=20),
        )
        return Response({"success": True, "bookings": found, "next": cursor})

    def _changed(self, request: ApiRequest) -> Response:
        filters = Filters(
            request,
            *("updatedSince", "cursor", "limit"),
            otherwise="Only cursor and limit go with updatedSince.",
        )
        found, cursor = own_bookings.list_changed_bookings(
            viewer=request.user,
            since=filters.moment("updatedSince"),
            cursor=filters.changed_cursor("cursor"),
            limit=filters.number("limit", 1, MAX_PAGE, default=20),
        )
        return Response({"success": True, "bookings": found, "next": cursor})


class BookingView(ApiView):
    scope = BOOK

    @get_schema
    def get(self, request: ApiRequest, booking_id: str) -> Response:
        booking = own_bookings.get_booking(viewer=request.user, booking_id=booking_id)
        return Response({"success": True, "booking": booking})


class ConfirmView(IdempotentMixin, ApiView):
    scope = BOOK

    @confirm_schema
    def post(self, request: ApiRequest, booking_id: str) -> Outcome:
        return lifecycle.confirm_booking(
            actor=request.user,
            booking_id=booking_id,
            key_header=request.headers.get("Idempotency-Key"),
            deadline=request.deadline,
            read_seen=lambda: _read_seen(request),
        )


def _read_seen(request: ApiRequest) -> Any:
    """The body's JSON, or nothing if the body is of another media type.

    Older clients may send any body here, since earlier versions did not read it.
    """
    try:
        return read_json(request)
    except UnsupportedMediaType:
        return {}


class CancelView(IdempotentMixin, ApiView):
    scope = BOOK

    @cancel_schema
    def post(self, request: ApiRequest, booking_id: str) -> Outcome:
        return lifecycle.cancel_booking(
            actor=request.user,
            booking_id=booking_id,
            key_header=request.headers.get("Idempotency-Key"),
            deadline=request.deadline,
        )


class ExtendView(IdempotentMixin, ApiView):
    scope = BOOK

    @extend_hold_schema
    def post(self, request: ApiRequest, booking_id: str) -> Outcome:
        return lifecycle.extend_hold(
            actor=request.user,
            booking_id=booking_id,
            key_header=request.headers.get("Idempotency-Key"),
            deadline=request.deadline,
        )


class ChangeView(IdempotentMixin, ApiView):
    scope = BOOK

    @change_schema
    def post(self, request: ApiRequest, booking_id: str) -> Outcome:
        return rebooking.change_stay(
            actor=request.user,
            booking_id=booking_id,
            key_header=request.headers.get("Idempotency-Key"),
            # Asked for at each attempt. An exception is not kept, and raised each time.
            read_payload=cache(lambda: read_json(request)),
            deadline=request.deadline,
            remote_address=remote_address_of(request),
        )


class AvailabilityView(ApiView):
    scope = READ

    @availability_schema
    def get(self, request: ApiRequest) -> Response:
        filters = Filters(request, "hotelId", "checkIn", "checkOut", "guests")
        check_in = filters.night("checkIn", required=True)
        check_out = filters.night("checkOut", required=True)
        guests = filters.number("guests", 1, MAX_GUESTS, default=1)
        hotel_id = hotel_for(request.user, filters.id("hotelId"))
        stays = search.find_stays(
            hotel_id=hotel_id, check_in=check_in, check_out=check_out, guests=guests
        )
        return Response(
            {
                "success": True,
                "hotelId": hotel_id,
                "checkIn": check_in.isoformat(),
                "checkOut": check_out.isoformat(),
                "guests": guests,
                "categories": [shapes.describe_stay(stay) for stay in stays],
            }
        )


class CalendarView(ApiView):
    scope = READ

    @calendar_schema
    def get(self, request: ApiRequest) -> Response:
        filters = Filters(request, "categoryId", "month", "guests")
        category_id = filters.id("categoryId", required=True)
        first = filters.month("month")
        guests = filters.number("guests", 1, MAX_GUESTS, default=1)
        _check_known(request.user, category_id)
        days = search.read_month(
            category_id=category_id, year=first.year, month=first.month, guests=guests
        )
        return Response(
            {
                "success": True,
                "categoryId": category_id,
                "month": first.isoformat()[:7],
                "guests": guests,
                "days": [shapes.describe_day(day) for day in days],
            }
        )


class FreeResourcesView(ApiView):
    scope = READ

    @resources_schema
    def get(self, request: ApiRequest) -> Response:
        filters = Filters(request, "date", "hotelId", "cursor")
        night = filters.night("date", required=True)
        free = search.find_free_rooms(
            hotel_id=hotel_for(request.user, filters.id("hotelId")),
            night=night,
            after=filters.id("cursor") or "",
        )
        return Response(
            {
                "success": True,
                "date": free.night.isoformat(),
                "resources": [shapes.describe_room(room) for room in free.rooms],
                "next": free.next_after,
            }
        )


def _check_known(caller: Caller, category_id: str) -> None:
    """Raises ValidationFailed if the category is of a hotel that the caller may not know of."""
    if caller.hotels is None:
        return
    category = inventory.recent_category(category_id)
    if category is not None and not caller.may_know(category.hotel):
        raise ValidationFailed([Fault("categoryId", "There is no such category.")])
