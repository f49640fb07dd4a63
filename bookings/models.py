"""The catalogue and the API clients, edited in the admin; and bookings, which it only reads.

What must be atomic or fast reads and writes the same collections through pymongo.
"""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django_mongodb_backend.fields import ObjectIdAutoField

# Ids stand in URLs, keys and slots, so they hold nothing that needs escaping there.
valid_id = RegexValidator(r"\A[A-Za-z0-9_-]{1,64}\Z", "Use 1 to 64 letters, digits, _ or -.")
valid_code = RegexValidator(r"\A[A-Z0-9]{2,8}\Z", "Use 2 to 8 capital letters or digits.")
valid_currency = RegexValidator(r"\A[A-Z]{3}\Z", "Use the three letters of ISO 4217.")


def validate_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError("This is not a time zone of the IANA database.")


class Hotel(models.Model):
    id = models.CharField(primary_key=True, db_column="_id", max_length=64, validators=[valid_id])
    code = models.CharField(
        max_length=8,
        unique=True,
        validators=[valid_code],
        help_text="Begins every booking's reference.",
    )
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    currency = models.CharField(max_length=3, default="EUR", validators=[valid_currency])
    check_in_time = models.TimeField(default="15:00")
    check_out_time = models.TimeField(default="11:00")
    hold_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MinValueValidator(5), MaxValueValidator(30)],
        help_text="How long a hold keeps its room, 5 to 30 minutes.",
    )
    cancel_hours = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(24 * 365)],
        help_text="Guests may cancel until this many hours before check-in.",
    )

    class Meta:
        db_table = "hotels"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RoomCategory(models.Model):
    id = models.CharField(primary_key=True, db_column="_id", max_length=64, validators=[valid_id])
    hotel = models.ForeignKey(Hotel, on_delete=models.PROTECT, related_name="categories")
    name = models.CharField(max_length=200)
    occupancy = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    default_price = models.PositiveIntegerField(
        default=10_000,
        # Times 90 nights and 10 rooms it stays far inside what any JSON reader keeps exact.
        validators=[MaxValueValidator(1_000_000_000)],
        help_text="For one night, in minor units (cents).",
    )
    sell_by_default = models.BooleanField(
        default=True, help_text="Sell every date at the default price."
    )

    class Meta:
        db_table = "room_categories"
        ordering = ["hotel", "name"]
        verbose_name_plural = "room categories"

    def __str__(self) -> str:
        return self.name


class Room(models.Model):
    id = models.CharField(primary_key=True, db_column="_id", max_length=64, validators=[valid_id])
    category = models.ForeignKey(RoomCategory, on_delete=models.PROTECT, related_name="rooms")
    name = models.CharField(max_length=200)
    is_sold = models.BooleanField("for sale", default=True)

    class Meta:
        db_table = "rooms"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class ApiClient(models.Model):
    """A partner that calls the API. Its bookings belong to it, whatever token it used."""

    id = ObjectIdAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    act_for_others = models.BooleanField(
        default=False, help_text="May send a userId: book for its own guests."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "api_clients"
        ordering = ["name"]
        verbose_name = "API client"

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A token's digest. The token itself was shown once and is kept nowhere."""

    digest = models.CharField(primary_key=True, db_column="_id", max_length=64, editable=False)
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="tokens")
    hint = models.CharField("ends in", max_length=4, editable=False)
    created_at = models.DateTimeField(editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_tokens"
        ordering = ["-created_at"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"…{self.hint}"


class BookingRecord(models.Model):
    """A booking as the admin lists it. Only bookings/repository.py writes the collection.

    The history and the keys are left out: they hold times and bytes, which a JSONField
    cannot read. `repository.find_booking` has them.
    """

    id = ObjectIdAutoField(primary_key=True)
    reference = models.CharField(max_length=32)
    kind = models.CharField(max_length=8)
    status = models.CharField(max_length=16)
    hotel = models.CharField(max_length=64)
    category = models.CharField(max_length=64, null=True)  # None for rooms of several
    rooms = models.JSONField()
    check_in = models.CharField(max_length=10)
    check_out = models.CharField(max_length=10)
    guests = models.PositiveSmallIntegerField()
    guest = models.JSONField()
    notes = models.TextField()
    price = models.JSONField()
    caller = models.CharField(max_length=80)
    owner = models.CharField(max_length=80)
    user_id = models.CharField("user id", max_length=128)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "bookings"
        managed = False
        ordering = ["-id"]
        verbose_name = "booking"

    def __str__(self) -> str:
        return self.reference
