"""The OpenAPI description of each operation: bodies, headers, codes."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from bookings import refusals
from bookings.api import examples, serializers
from bookings.domain.booking import STATUSES
from bookings.domain.stay_request import MAX_GUESTS, MAX_USER_ID
from bookings.refusals import Refusal
from bookings.stays.answers import PROBLEM_JSON, problem
from bookings.stays.outcomes import describe_policy


class TokenScheme(OpenApiAuthenticationExtension):
    """The description of partners' tokens."""

    target_class = "bookings.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    """The description of people's sessions, which also send a CSRF token."""

    target_class = "bookings.api.authentication.CustomerSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


HOTEL_UNLESS_GIVEN = "The hotel. By default the site's default hotel, or its only one."

PROBLEM = serializers.ProblemSerializer

ID: dict[str, Any] = {"type": "string", "pattern": serializers.ID_PATTERN}
OBJECT_ID: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{24}$"}

# The form that idempotency/keys.py reads: bare, without quotes, backslashes and commas; or quoted.
KEY_FORM = r"""([!#-+\--\[\]-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")"""


def describe_keys(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds a section on keys. draft-ietf-httpapi-idempotency-key-header-07, section 2.3, asks a
    server to publish when keys expire."""
    tag = {"name": "Idempotency-Key", "description": describe_policy(), "x-traitTag": True}
    return {**result, "tags": [*result.get("tags", ()), tag]}


def _key_header(pattern: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "pattern": pattern},
        OpenApiParameter.HEADER,
        description="1 to 255 visible ASCII characters, bare or as a structured-field string.",
        required=required,
    )


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=True, description=description
    )


HEADERS = [
    _header("X-Request-ID", "Names this request in the logs."),
    OpenApiParameter(
        "Retry-After",
        OpenApiTypes.INT,
        OpenApiParameter.HEADER,
        response=[409, 429, 503],
        description="Seconds to wait before trying again.",
    ),
]
KEY_ANSWER_HEADERS = [
    _header("Idempotency-Key", "The key used for this request, even if the server made it."),
    _header("Idempotency-Replayed", "`true` if this repeats an earlier answer."),
    _header("Idempotency-Payload-Mismatch", "`true` if a repeat had a different payload."),
    _header("Idempotency-Stored", "`false` if a refusal could not be stored and may change."),
    _header("Server-Timing", "Milliseconds spent in claim, lock, txn and finish."),
    *HEADERS,
]
# Clients may send a key that the server made only to confirm what was booked under it.
KEY_HEADERS = [_key_header(rf'^(?!"?auto:){KEY_FORM}$'), *KEY_ANSWER_HEADERS]
EXTEND_KEY_HEADERS = [
    _key_header(rf'^(?!"?auto:){KEY_FORM}$', required=True),
    *KEY_ANSWER_HEADERS,
]
CONFIRM_KEY_HEADERS = [_key_header(f"^{KEY_FORM}$", required=True), *KEY_ANSWER_HEADERS]


# The refusals that any operation can give.
_ALWAYS = (
    refusals.UnreadableRequest(),
    # A long address, and long headers.
    refusals.UnreadableRequest(status=HTTPStatus.REQUEST_URI_TOO_LONG),
    refusals.UnreadableRequest(status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    refusals.NotAuthenticated(),
    refusals.PermissionDenied(),
    refusals.NotAcceptable(),
    refusals.RequestTimeout(),
    refusals.Throttled(),
    refusals.ServerError(),
    refusals.TryAgain(),
)


def _problems(refusals: Iterable[Refusal]) -> dict[Any, OpenApiResponse]:
    """The problem responses by status, with the answer for each code as an example."""
    by_status: dict[int, list[Refusal]] = {}
    for refusal in (*_ALWAYS, *refusals):
        by_status.setdefault(refusal.status, []).append(refusal)
    return {
        (status, PROBLEM_JSON): OpenApiResponse(
            PROBLEM,
            description=", ".join(refusal.code for refusal in found),
            examples=[
                OpenApiExample(refusal.code, value=json.loads(problem(refusal).body))
                for refusal in found
            ],
        )
        for status, found in sorted(by_status.items())
    }


def answers_of(
    status: int, serializer: Any, example: dict[str, Any], *refusals: Refusal
) -> dict[Any, Any]:
    """The successful response, with `example`, and the refusals of the operation."""
    success = OpenApiResponse(
        serializer, description="Done.", examples=[OpenApiExample("Success", value=example)]
    )
    return {(status, "application/json"): success, **_problems(refusals)}


def invalid(field: str, message: str) -> Refusal:
    return refusals.ValidationFailed([refusals.Fault(field, message)])


create_schema = extend_schema(
    operation_id="create_booking",
    summary="Book or hold a room",
    description="Books rooms for the nights from `checkIn` up to the day of `checkOut`, or for the "
    "one night of `date`. Name a particular room (`resourceId`), a category of which any room will "
    "do (`categoryId`), or several rooms (`rooms`) to book all or none. With `hold` the rooms are "
    "held until `expiresAt` instead; confirm them with the same key.\n\n"
    "Send an `Idempotency-Key` of your own. If you get no answer, or one with `Retry-After`, send "
    "the request again with the same key: it books only once, and a success is repeated byte for "
    "byte. Without your own key, the server makes one from what you book, good for two minutes.",
    parameters=KEY_HEADERS,
    request=serializers.CreateBookingSerializer,
    examples=examples.WISHES,
    responses=answers_of(
        201,
        serializers.BookingAnswerSerializer,
        examples.BOOKED,
        invalid("date", "This must be a date that exists, written YYYY-MM-DD."),
        refusals.InvalidIdempotencyKey(),
        refusals.MalformedJson(),
        refusals.AlreadyBooked(),
        refusals.SoldOut(),
        refusals.IdempotencyInProgress(),
        refusals.ResourceLocked(),
        refusals.PriceChanged(),
        refusals.TooManyHolds(),
        refusals.TooManyNightsHeld(),
        refusals.PayloadTooLarge(),
        refusals.UnsupportedMediaType(),
        refusals.KeyReused(),
    ),
)
list_schema = extend_schema(
    operation_id="list_bookings",
    summary="List your bookings, newest first",
    description="The bookings that you made and that match all filters. `next` is the `cursor` of "
    "the next page, and null on the last one.\n\n"
    "To follow changes, send `updatedSince`. The answer then has the bookings whose last change "
    "was at that moment or later, in the order of these changes, each with `updatedAt`. Changes of "
    "the last ten seconds come later. Follow `next` to the end, and the next time send the last "
    "`updatedAt` that you got. You may get a booking again, and you miss none.",
    parameters=[
        OpenApiParameter(
            "userId",
            {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID},
            description="As sent with the booking.",
        ),
        OpenApiParameter("resourceId", ID, description="Stays in this room."),
        OpenApiParameter("date", OpenApiTypes.DATE, description="A night of the stay."),
        OpenApiParameter("status", OpenApiTypes.STR, enum=STATUSES, description="Present status."),
        OpenApiParameter(
            "updatedSince",
            OpenApiTypes.DATETIME,
            description="Bookings changed at this moment or later, in the order of their changes. "
            "Only `cursor` and `limit` go with it.",
        ),
        OpenApiParameter(
            "cursor",
            {"type": "string", "pattern": "^([0-9]{1,13}-)?[0-9a-f]{24}$"},
            description="`next` of the previous page.",
        ),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            description="The most bookings on a page.",
        ),
        *HEADERS,
    ],
    responses=answers_of(
        200,
        serializers.BookingListSerializer,
        examples.LISTED,
        invalid("limit", "This must be a number from 1 to 100."),
    ),
)
BOOKING_ID = OpenApiParameter(
    "booking_id", OBJECT_ID, OpenApiParameter.PATH, description="`id` of the booking."
)
get_schema = extend_schema(
    operation_id="get_booking",
    summary="Read one of your bookings",
    description="The booking as it is now, with the guest's details and the notes. Only this "
    "answer has those two. Bookings that are not yours are not found.",
    parameters=[BOOKING_ID, *HEADERS],
    responses=answers_of(200, serializers.OneBookingSerializer, examples.READ, refusals.NotFound()),
)
_CHANGE_REFUSALS = (refusals.InvalidIdempotencyKey(), refusals.NotFound())
confirm_schema = extend_schema(
    operation_id="confirm_booking",
    summary="Confirm a hold with the key that made it",
    description="Turns a hold into a booking at the hold's price. Send the `Idempotency-Key` that "
    "made the hold. A hold can be confirmed up to ten minutes after `expiresAt` if its rooms are "
    "still free. Confirming again gives the same answer.\n\n"
    "The hotel's staff may move a hold. If its dates, total or kinds of rooms differ from what "
    "this key was told, the answer is `PRICE_CHANGED` with the `booking` as it is now. Show it to "
    "your guest. If they agree, send the same key again with what they saw; for fields that you "
    "leave out, what the key was told counts.",
    parameters=[BOOKING_ID, *CONFIRM_KEY_HEADERS],
    request=serializers.ConfirmBookingSerializer,
    examples=examples.SEEN,
    responses=answers_of(
        200,
        serializers.BookingAnswerSerializer,
        examples.CONFIRMED,
        *_CHANGE_REFUSALS,
        invalid("quotedTotal", "This must be a whole number from 0 to 9007199254740991."),
        refusals.MalformedJson(),
        refusals.HoldExpired(),
        refusals.KeyMismatch(),
        refusals.PriceChanged(
            "The stay has changed. It is now grand_101 from 2027-02-17 to 2027-02-18 for 15000 EUR "
            "in minor units; send that as resourceIds, checkIn, checkOut and quotedTotal if you "
            "agree.",
            booking=examples.MOVED_MEANWHILE,
        ),
        refusals.IdempotencyInProgress(),
        refusals.PayloadTooLarge(),
    ),
)
extend_hold_schema = extend_schema(
    operation_id="extend_hold",
    summary="Extend a hold",
    description="Restarts the time of a live hold, as if it were made now. A hold can be extended "
    "at most ten times, and lasts at most an hour in all. Send a new `Idempotency-Key` for each "
    "extension; repeating a key extends the hold only once. If the hold's end would not move, for "
    "example because the hotel has shortened its holds, nothing changes; you can send the same key "
    "again closer to the end.",
    parameters=[BOOKING_ID, *EXTEND_KEY_HEADERS],
    request=None,
    responses=answers_of(
        200,
        serializers.BookingAnswerSerializer,
        examples.EXTENDED,
        *_CHANGE_REFUSALS,
        refusals.ExtensionLimit(),
        refusals.HeldLongEnough(),
        refusals.HoldExpired(),
        refusals.IdempotencyInProgress(),
    ),
)
cancel_schema = extend_schema(
    operation_id="cancel_booking",
    summary="Cancel a booking",
    description="Releases the rooms at once. You can cancel a hold at any time, and a booking "
    "until the hotel's deadline. Cancelling again gives the same answer.",
    parameters=[BOOKING_ID, *KEY_HEADERS],
    request=None,
    responses=answers_of(
        200,
        serializers.BookingAnswerSerializer,
        examples.CANCELLED,
        *_CHANGE_REFUSALS,
        refusals.NotCancellable(),
        refusals.IdempotencyInProgress(),
    ),
)
change_schema = extend_schema(
    operation_id="change_stay",
    summary="Change the dates or the category of a booking",
    description="Gives a hold or a booking other dates, another category, or both. Nights that it "
    "keeps in the same category keep their price; other nights cost today's price and must be for "
    "sale, as for a new booking. It keeps its rooms if they are free, and gets others of the "
    "category if not. If anything is not possible, nothing is changed.\n\n"
    "`quotedTotal` is what you showed for the whole changed stay. If it costs something else by "
    "now, the answer is `PRICE_CHANGED` with the present `price`. You can change a hold until it "
    "ends, and a booking until the hotel's deadline for cancelling the stay as it is; after that "
    "the answer is `NOT_CHANGEABLE` and says why. Send a new `Idempotency-Key` for each change; "
    "repeating a key changes the stay only once.",
    parameters=[BOOKING_ID, *EXTEND_KEY_HEADERS],
    request=serializers.ChangeStaySerializer,
    examples=examples.CHANGES,
    responses=answers_of(
        200,
        serializers.BookingAnswerSerializer,
        examples.CHANGED,
        *_CHANGE_REFUSALS,
        invalid("checkOut", "Check-out is not possible on 2027-02-18."),
        refusals.MalformedJson(),
        refusals.SoldOut(),
        refusals.IdempotencyInProgress(),
        refusals.ResourceLocked(),
        refusals.PriceChanged(
            "The changed stay costs 39000 EUR in minor units; send that as quotedTotal if you "
            "agree.",
            price=examples.CHANGED_PRICE,
        ),
        refusals.NotChangeable("The hotel's deadline for changing this stay has passed."),
        refusals.TooManyHolds(),
        refusals.TooManyNightsHeld(),
        refusals.PayloadTooLarge(),
        refusals.UnsupportedMediaType(),
        refusals.KeyReused(),
    ),
)
GUESTS = OpenApiParameter(
    "guests",
    {"type": "integer", "minimum": 1, "maximum": MAX_GUESTS, "default": 1},
    description="Guests in each room.",
)
_NO_DATE = invalid("checkIn", "This is required.")
availability_schema = extend_schema(
    operation_id="find_stays",
    summary="Find what a hotel can offer for a stay",
    description="Each category of the hotel, with its price for these nights and the number of "
    "rooms left. For a category that is not available, the answer gives the reasons and the "
    "nearest available stays, nearest first: on other dates, or with more or fewer nights. Nothing "
    "is held.",
    parameters=[
        OpenApiParameter("hotelId", ID, description=HOTEL_UNLESS_GIVEN),
        OpenApiParameter(
            "checkIn", OpenApiTypes.DATE, required=True, description="The first night."
        ),
        OpenApiParameter(
            "checkOut", OpenApiTypes.DATE, required=True, description="The day of departure."
        ),
        GUESTS,
        *HEADERS,
    ],
    responses=answers_of(200, serializers.StaysSerializer, examples.STAYS, _NO_DATE),
)
calendar_schema = extend_schema(
    operation_id="read_month",
    summary="Read a category's month: days of arrival, prices, restrictions, rooms left",
    description="One month of a category. Each day says whether a stay can begin on it, what the "
    "shortest such stay is and costs, and which restrictions apply.",
    parameters=[
        OpenApiParameter("categoryId", ID, required=True, description="`id` of the category."),
        OpenApiParameter(
            "month",
            {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"},
            required=True,
            description="YYYY-MM",
        ),
        GUESTS,
        *HEADERS,
    ],
    responses=answers_of(
        200,
        serializers.MonthSerializer,
        examples.MONTH,
        invalid("month", "This must be a month written YYYY-MM."),
    ),
)
resources_schema = extend_schema(
    operation_id="list_free_resources",
    summary="List the rooms that are free on one night",
    description="The rooms of a hotel that can be booked for this one night, with their prices, "
    "ordered by id. `next` is the `cursor` of the next page, and null on the last one.",
    parameters=[
        OpenApiParameter("date", OpenApiTypes.DATE, required=True, description="The night."),
        OpenApiParameter("hotelId", ID, description=HOTEL_UNLESS_GIVEN),
        OpenApiParameter("cursor", ID, description="`next` of the previous page."),
        *HEADERS,
    ],
    responses=answers_of(
        200,
        serializers.FreeResourcesSerializer,
        examples.FREE,
        invalid("date", "This is required."),
    ),
)
