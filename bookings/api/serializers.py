"""The API's shapes, for its OpenAPI description. bookings/stays/answers.py makes the real bytes."""

from rest_framework import serializers

from bookings.availability.search import OBSTACLES
from bookings.domain.booking import STATUSES
from bookings.domain.stay_request import (
    MAX_GUESTS,
    MAX_NOTES,
    MAX_ROOMS,
    MAX_TOTAL,
    MAX_USER_ID,
)

ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"


class GuestSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)


class WantedRoomSerializer(serializers.Serializer):
    categoryId = serializers.RegexField(ID_PATTERN)
    guests = serializers.IntegerField(min_value=1, max_value=MAX_GUESTS, default=1)


class CreateBookingSerializer(serializers.Serializer):
    userId = serializers.CharField(max_length=MAX_USER_ID, required=False)
    resourceId = serializers.RegexField(ID_PATTERN, required=False, help_text="This room.")
    categoryId = serializers.RegexField(
        ID_PATTERN, required=False, help_text="Any room of this category."
    )
    rooms = serializers.ListField(
        child=WantedRoomSerializer(),
        required=False,
        min_length=1,
        max_length=MAX_ROOMS,
        help_text="Several rooms, all or none.",
    )
    date = serializers.DateField(required=False, help_text="A stay of one night.")
    checkIn = serializers.DateField(required=False)
    checkOut = serializers.DateField(required=False)
    guests = serializers.IntegerField(min_value=1, max_value=MAX_GUESTS, default=1)
    hold = serializers.BooleanField(default=False)
    guest = GuestSerializer(required=False)
    notes = serializers.CharField(max_length=MAX_NOTES, required=False, allow_blank=True)
    quotedTotal = serializers.IntegerField(min_value=0, max_value=MAX_TOTAL, required=False)


class ConfirmBookingSerializer(serializers.Serializer):
    checkIn = serializers.DateField(required=False)
    checkOut = serializers.DateField(required=False)
    quotedTotal = serializers.IntegerField(
        min_value=0, max_value=MAX_TOTAL, required=False, help_text="`price.total` as you saw it."
    )
    resourceIds = serializers.ListField(
        child=serializers.RegexField(ID_PATTERN),
        required=False,
        min_length=1,
        max_length=MAX_ROOMS,
        help_text="Exactly these rooms. Without it, any rooms of the same kinds will do.",
    )


class ChangeStaySerializer(serializers.Serializer):
    checkIn = serializers.DateField()
    checkOut = serializers.DateField()
    categoryId = serializers.RegexField(
        ID_PATTERN,
        required=False,
        help_text="All rooms in this category instead. Only for bookings whose rooms are all of "
        "one category.",
    )
    quotedTotal = serializers.IntegerField(
        min_value=0, max_value=MAX_TOTAL, help_text="What you showed for the whole changed stay."
    )


class NightSerializer(serializers.Serializer):
    date = serializers.DateField()
    amount = serializers.IntegerField(help_text="Minor units of the currency.")


class PriceSerializer(serializers.Serializer):
    total = serializers.IntegerField(help_text="Minor units of the currency.")
    currency = serializers.CharField(help_text="ISO 4217.")
    nights = NightSerializer(many=True)


class BookedRoomSerializer(serializers.Serializer):
    resourceId = serializers.CharField()
    categoryId = serializers.CharField()
    guests = serializers.IntegerField()


class BookingSerializer(serializers.Serializer):
    id = serializers.CharField()
    reference = serializers.CharField()
    hotelId = serializers.CharField()
    userId = serializers.CharField()
    resourceId = serializers.CharField(allow_null=True)
    categoryId = serializers.CharField(allow_null=True)
    rooms = BookedRoomSerializer(many=True)
    date = serializers.DateField(allow_null=True)
    checkIn = serializers.DateField()
    checkOut = serializers.DateField()
    status = serializers.ChoiceField(choices=STATUSES)
    expiresAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    price = PriceSerializer()


class ListedBookingSerializer(BookingSerializer):
    updatedAt = serializers.DateTimeField(
        required=False, help_text="The last change; with `updatedSince` only."
    )


class ReadBookingSerializer(BookingSerializer):
    updatedAt = serializers.DateTimeField(help_text="The last change.")
    guest = GuestSerializer()
    notes = serializers.CharField(allow_blank=True)


class BookingAnswerSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    message = serializers.CharField()
    idempotencyKey = serializers.CharField()
    booking = BookingSerializer()


class OneBookingSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    booking = ReadBookingSerializer()


class BookingListSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    bookings = ListedBookingSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ResourceSerializer(serializers.Serializer):
    resourceId = serializers.CharField()
    name = serializers.CharField()
    hotelId = serializers.CharField()
    price = PriceSerializer()


class FreeResourcesSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    date = serializers.DateField()
    resources = ResourceSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ReasonSerializer(serializers.Serializer):
    code = serializers.ChoiceField(choices=OBSTACLES)
    message = serializers.CharField()
    dates = serializers.ListField(child=serializers.DateField())


class NearestSerializer(serializers.Serializer):
    checkIn = serializers.DateField()
    checkOut = serializers.DateField()


class CategoryStaySerializer(serializers.Serializer):
    categoryId = serializers.CharField()
    name = serializers.CharField()
    occupancy = serializers.IntegerField()
    available = serializers.BooleanField()
    roomsLeft = serializers.IntegerField(help_text="Rooms that are free on all these nights.")
    price = PriceSerializer(allow_null=True)
    reasons = ReasonSerializer(
        many=True, help_text="Why the category is not available; empty if it is."
    )
    nearest = NearestSerializer(
        many=True,
        help_text="The closest available stays, closest first: of the same length, or a few nights "
        "shorter or longer if that is closer.",
    )


class StaysSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    hotelId = serializers.CharField()
    checkIn = serializers.DateField()
    checkOut = serializers.DateField()
    guests = serializers.IntegerField()
    categories = CategoryStaySerializer(many=True)


class ShortestStaySerializer(serializers.Serializer):
    checkOut = serializers.DateField()
    price = PriceSerializer(help_text="The price of one room for the whole stay.")


class DaySerializer(serializers.Serializer):
    date = serializers.DateField()
    forSale = serializers.BooleanField(help_text="Whether any stay can begin on this day.")
    shortestStay = ShortestStaySerializer(
        allow_null=True, help_text="The shortest stay that can begin on this day; null if none can."
    )
    roomsLeft = serializers.IntegerField(help_text="Rooms that are free on this night.")
    price = serializers.IntegerField(allow_null=True, help_text="Minor units of the currency.")
    minStay = serializers.IntegerField(
        help_text="The minimum stay from this day, in nights. The shortest stay may be longer if "
        "rooms are taken or days are closed to departure."
    )
    closed = serializers.BooleanField()
    closedToArrival = serializers.BooleanField()
    closedToDeparture = serializers.BooleanField()


class MonthSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    categoryId = serializers.CharField()
    month = serializers.CharField()
    guests = serializers.IntegerField()
    days = DaySerializer(many=True)


class FaultSerializer(serializers.Serializer):
    field = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    error = serializers.CharField()
    errors = FaultSerializer(many=True, required=False)  # type: ignore[assignment]  # ours
    booking = BookingSerializer(required=False, help_text="The stay that would be confirmed now.")
    price = PriceSerializer(required=False, help_text="What the changed stay would cost now.")
