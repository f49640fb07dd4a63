"""What the OpenAPI description says of each operation: bodies, headers, codes."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from bookings.api import serializers
from bookings.documents import STATUSES

PROBLEM = serializers.ProblemSerializer

KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters, bare or as a quoted structured-field string.",
)


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=True, description=description
    )


HEADERS = [
    OpenApiParameter(
        "X-Request-ID",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=True,
        description="Names this request in the logs.",
    ),
    OpenApiParameter(
        "Retry-After",
        OpenApiTypes.INT,
        OpenApiParameter.HEADER,
        response=[409, 429, 503],
        description="Seconds to wait before trying again.",
    ),
]
KEY_HEADERS = [
    KEY_HEADER,
    _header("Idempotency-Key", "The key in force, also when the server made it."),
    _header("Idempotency-Replayed", "`true` when this is an earlier answer again."),
    _header("Idempotency-Payload-Mismatch", "`true` when a replay's payload was another one."),
    _header("Idempotency-Stored", "`false` when a refusal could not be kept and may change."),
    _header("Server-Timing", "Milliseconds of claim, lock, txn and finish."),
    *HEADERS,
]


def _problems(codes: dict[int, str]) -> dict[Any, OpenApiResponse]:
    always = {
        401: "NOT_AUTHENTICATED",
        403: "PERMISSION_DENIED",
        406: "NOT_ACCEPTABLE",
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
            409: "ALREADY_BOOKED, IDEMPOTENCY_IN_PROGRESS, RESOURCE_LOCKED, PRICE_CHANGED",
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
        OpenApiParameter("userId", OpenApiTypes.STR),
        OpenApiParameter("resourceId", OpenApiTypes.STR),
        OpenApiParameter("date", OpenApiTypes.DATE, description="A night of the stay."),
        OpenApiParameter("status", OpenApiTypes.STR, enum=STATUSES),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before."),
        OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 100, 20 unless given."),
        *HEADERS,
    ],
    responses=_answers(200, serializers.BookingListSerializer, {400: "VALIDATION_ERROR"}),
)
get_schema = extend_schema(
    operation_id="get_booking",
    summary="Read one of your bookings",
    parameters=HEADERS,
    responses=_answers(200, serializers.OneBookingSerializer, {404: "NOT_FOUND"}),
)
_CHANGE_CODES = {
    400: "INVALID_IDEMPOTENCY_KEY",
    404: "NOT_FOUND",
}
confirm_schema = extend_schema(
    operation_id="confirm_booking",
    summary="Confirm a hold with the key that made it",
    parameters=KEY_HEADERS,
    request=None,
    responses=_answers(
        200,
        serializers.BookingAnswerSerializer,
        {**_CHANGE_CODES, 409: "HOLD_EXPIRED, KEY_MISMATCH, IDEMPOTENCY_IN_PROGRESS"},
    ),
)
cancel_schema = extend_schema(
    operation_id="cancel_booking",
    summary="Cancel a booking",
    parameters=KEY_HEADERS,
    request=None,
    responses=_answers(
        200,
        serializers.BookingAnswerSerializer,
        {**_CHANGE_CODES, 409: "NOT_CANCELLABLE, IDEMPOTENCY_IN_PROGRESS"},
    ),
)
resources_schema = extend_schema(
    operation_id="list_free_resources",
    summary="Rooms that are free on one night",
    parameters=[
        OpenApiParameter("date", OpenApiTypes.DATE, required=True),
        OpenApiParameter("hotelId", OpenApiTypes.STR, description="`demo` unless given."),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before."),
        *HEADERS,
    ],
    responses=_answers(200, serializers.FreeResourcesSerializer, {400: "VALIDATION_ERROR"}),
)
