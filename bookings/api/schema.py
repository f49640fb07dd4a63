"""What the OpenAPI description says of each operation: bodies, headers, codes."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from bookings.api import serializers
from bookings.documents import STATUSES
from bookings.payloads import MAX_GUESTS, MAX_USER_ID


class TokenScheme(OpenApiAuthenticationExtension):
    """How the description names partners' tokens."""

    target_class = "bookings.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How the description names people's sessions; they also send the CSRF token."""

    target_class = "bookings.api.authentication.CustomerSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


PROBLEM = serializers.ProblemSerializer

ID: dict[str, Any] = {"type": "string", "pattern": serializers.ID_PATTERN}
OBJECT_ID: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{24}$"}

# The form that idempotency/keys.py reads: bare without quote, backslash and comma, or quoted.
KEY_FORM = r"""([!#-+\--\[\]-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")"""


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
    _header("Idempotency-Key", "The key in force, also when the server made it."),
    _header("Idempotency-Replayed", "`true` when this is an earlier answer again."),
    _header("Idempotency-Payload-Mismatch", "`true` when a replay's payload was another one."),
    _header("Idempotency-Stored", "`false` when a refusal could not be kept and may change."),
    _header("Server-Timing", "Milliseconds of claim, lock, txn and finish."),
    *HEADERS,
]
# Keys that the server made cannot be sent, but for confirming what was booked under one.
KEY_HEADERS = [_key_header(rf'^(?!"?auto:){KEY_FORM}$'), *KEY_ANSWER_HEADERS]
EXTEND_KEY_HEADERS = [
    _key_header(rf'^(?!"?auto:){KEY_FORM}$', required=True),
    *KEY_ANSWER_HEADERS,
]
CONFIRM_KEY_HEADERS = [_key_header(f"^{KEY_FORM}$", required=True), *KEY_ANSWER_HEADERS]


def _problems(codes: dict[int, str]) -> dict[Any, OpenApiResponse]:
    always = {
        401: "NOT_AUTHENTICATED",
        403: "PERMISSION_DENIED",
        406: "NOT_ACCEPTABLE",
        408: "REQUEST_TIMEOUT",
        429: "THROTTLED",
        500: "SERVER_ERROR",
        503: "TRY_AGAIN",
    }
    return {
        (status, "application/problem+json"): OpenApiResponse(PROBLEM, description=text)
        for status, text in sorted({**always, **codes}.items())
    }


def _answers(status: int, serializer: Any, codes: dict[int, str]) -> dict[Any, Any]:
    return {(status, "application/json"): serializer, **_problems(codes)}


create_schema = extend_schema(
    operation_id="create_booking",
    summary="Book or hold a room",
    parameters=KEY_HEADERS,
    request=serializers.CreateBookingSerializer,
    responses=_answers(
        201,
        serializers.BookingAnswerSerializer,
        {
            400: "VALIDATION_ERROR, INVALID_IDEMPOTENCY_KEY, MALFORMED_JSON",
            409: "ALREADY_BOOKED, SOLD_OUT, IDEMPOTENCY_IN_PROGRESS, RESOURCE_LOCKED, "
            "PRICE_CHANGED, TOO_MANY_HOLDS",
            413: "PAYLOAD_TOO_LARGE",
            415: "UNSUPPORTED_MEDIA_TYPE",
            422: "IDEMPOTENCY_KEY_REUSED",
        },
    ),
)
list_schema = extend_schema(
    operation_id="list_bookings",
    summary="List your bookings, newest first",
    parameters=[
        OpenApiParameter("userId", {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID}),
        OpenApiParameter("resourceId", ID),
        OpenApiParameter("date", OpenApiTypes.DATE, description="A night of the stay."),
        OpenApiParameter("status", OpenApiTypes.STR, enum=STATUSES),
        OpenApiParameter("cursor", OBJECT_ID, description="`next` of the page before."),
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
        *HEADERS,
    ],
    responses=_answers(200, serializers.BookingListSerializer, {400: "VALIDATION_ERROR"}),
)
BOOKING_ID = OpenApiParameter("booking_id", OBJECT_ID, OpenApiParameter.PATH)
get_schema = extend_schema(
    operation_id="get_booking",
    summary="Read one of your bookings",
    parameters=[BOOKING_ID, *HEADERS],
    responses=_answers(200, serializers.OneBookingSerializer, {404: "NOT_FOUND"}),
)
_CHANGE_CODES = {
    400: "INVALID_IDEMPOTENCY_KEY",
    404: "NOT_FOUND",
}
confirm_schema = extend_schema(
    operation_id="confirm_booking",
    summary="Confirm a hold with the key that made it",
    parameters=[BOOKING_ID, *CONFIRM_KEY_HEADERS],
    request=None,
    responses=_answers(
        200,
        serializers.BookingAnswerSerializer,
        {**_CHANGE_CODES, 409: "HOLD_EXPIRED, KEY_MISMATCH, IDEMPOTENCY_IN_PROGRESS"},
    ),
)
extend_hold_schema = extend_schema(
    operation_id="extend_hold",
    summary="Make a hold last longer",
    parameters=[BOOKING_ID, *EXTEND_KEY_HEADERS],
    request=None,
    responses=_answers(
        200,
        serializers.BookingAnswerSerializer,
        {**_CHANGE_CODES, 409: "EXTENSION_LIMIT, HOLD_EXPIRED, IDEMPOTENCY_IN_PROGRESS"},
    ),
)
cancel_schema = extend_schema(
    operation_id="cancel_booking",
    summary="Cancel a booking",
    parameters=[BOOKING_ID, *KEY_HEADERS],
    request=None,
    responses=_answers(
        200,
        serializers.BookingAnswerSerializer,
        {**_CHANGE_CODES, 409: "NOT_CANCELLABLE, IDEMPOTENCY_IN_PROGRESS"},
    ),
)
availability_schema = extend_schema(
    operation_id="find_stays",
    summary="What a hotel can offer for a stay, and if not, why not and when",
    parameters=[
        OpenApiParameter("hotelId", ID, description="`demo` unless given."),
        OpenApiParameter("checkIn", OpenApiTypes.DATE, required=True),
        OpenApiParameter("checkOut", OpenApiTypes.DATE, required=True),
        OpenApiParameter(
            "guests", {"type": "integer", "minimum": 1, "maximum": MAX_GUESTS, "default": 1}
        ),
        *HEADERS,
    ],
    responses=_answers(200, serializers.StaysSerializer, {400: "VALIDATION_ERROR"}),
)
calendar_schema = extend_schema(
    operation_id="read_month",
    summary="A category's month: prices, restrictions and rooms left, day by day",
    parameters=[
        OpenApiParameter("categoryId", ID, required=True),
        OpenApiParameter(
            "month",
            {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"},
            required=True,
            description="YYYY-MM",
        ),
        *HEADERS,
    ],
    responses=_answers(200, serializers.MonthSerializer, {400: "VALIDATION_ERROR"}),
)
resources_schema = extend_schema(
    operation_id="list_free_resources",
    summary="Rooms that are free on one night",
    parameters=[
        OpenApiParameter("date", OpenApiTypes.DATE, required=True),
        OpenApiParameter("hotelId", ID, description="`demo` unless given."),
        OpenApiParameter("cursor", ID, description="`next` of the page before."),
        *HEADERS,
    ],
    responses=_answers(200, serializers.FreeResourcesSerializer, {400: "VALIDATION_ERROR"}),
)
