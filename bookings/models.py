"""The catalogue and API clients, which the admin edits, and bookings, which it only reads.

Code that must be atomic or fast reads and writes the same collections through pymongo.
"""

from datetime import date, time
from typing import Any
from zoneinfo import available_timezones

from bson import ObjectId
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.dispatch import Signal
from django.utils.formats import date_format
from django_mongodb_backend.fields import ObjectIdAutoField, ObjectIdField

# Ids appear in URLs, keys and slots, so they contain nothing that needs escaping there.
valid_id = RegexValidator(r"\A[A-Za-z0-9_-]{1,64}\Z", "Use 1 to 64 letters, digits, _ or -.")
valid_code = RegexValidator(r"\A[A-Z0-9]{2,8}\Z", "Use 2 to 8 capital letters or digits.")
valid_currency = RegexValidator(r"\A[A-Z]{3}\Z", "Use the three letters of ISO 4217.")


def validate_time_zone(name: str) -> None:
    """Raises ValidationError unless this names a zone of the IANA database."""
    if name not in available_timezones():
        raise ValidationError("This is not in the IANA time zone database.")


def validate_date(text: str) -> None:
    """Raises ValidationError unless this is a date in the form YYYY-MM-DD."""
    try:
        is_date = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_date = False
    if not is_date:
        raise ValidationError("This must be a date that exists, written YYYY-MM-DD.")


# The highest price of a night in minor units. Times 90 nights and 10 rooms, it stays far below the
# integers that every JSON reader keeps exact.
MAX_NIGHT_PRICE = 1_000_000_000


# The most characters of a text in each language: what a page shows at once, and legal texts.
SHORT_TEXT, LONG_TEXT = 5_000, 30_000


# Sent after an update or insert of many rows, for which Django sends no signal of its own.
changed_at_once = Signal()


class SignallingQuerySet(models.QuerySet):
    """Tells others about every change. Processes keep some rows in memory
    (bookings/infrastructure/recent_reads.py)."""

    def update(self, **values: Any) -> int:
        try:
            return super().update(**values)
        finally:
            # Even after an error: the rows may have been written all the same.
            changed_at_once.send(self.model)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, *args: Any, **options: Any) -> Any:
        made = super().bulk_create(*args, **options)
        changed_at_once.send(self.model)
        return made


class Hotel(models.Model):
    """A hotel with its clock, its currency and its rules for holds and cancellations."""

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
    check_in_time = models.TimeField(default="15:00", help_text="By the hotel's clock.")
    check_out_time = models.TimeField(default="11:00", help_text="By the hotel's clock.")
    hold_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MinValueValidator(5), MaxValueValidator(30)],
        help_text="How long a hold keeps its room, 5 to 30 minutes.",
    )
    cancel_hours = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(24 * 365)],
        help_text=(
            "Guests may cancel until this many hours before check-in by the hotel's clock: 48 is "
            "the same time two days earlier, whenever the clocks change."
        ),
    )
    # Below the life of a delivery, by which a stay is known to be reminded already.
    reminder_days = models.PositiveSmallIntegerField(
        "days before arrival for a reminder",
        default=0,
        validators=[MaxValueValidator(28)],
        help_text=(
            "Guests get a mail about their stay so many days before they arrive, from 9:00 by the "
            "hotel’s clock. 0 means no reminder."
        ),
    )
    end_of_day = models.TimeField(
        default="05:00",
        validators=[MaxValueValidator(time(12))],
        help_text=(
            "Until this time, by the hotel's clock, the front desk can still sell the night that "
            "began the day before, and mark its guests. Choose 12:00 at the latest."
        ),
    )
    release_no_shows = models.BooleanField(
        "release nights of no-shows",
        default=True,
        help_text=(
            "Tick the box beside No-show in advance. It puts the guest's remaining nights back on "
            "sale; staff can untick it."
        ),
    )
    # Until a hotel is set up, only staff see it. A hotel without the field is open.
    is_open = models.BooleanField("open for booking", default=True, editable=False)
    anonymous_hold_percent = models.PositiveSmallIntegerField(
        "share of anonymous holds",
        default=50,
        validators=[MaxValueValidator(100)],
        help_text=(
            "If guests without an account hold more than this percentage of a category's rooms on "
            "a night, the next such guest must confirm an e-mail address first."
        ),
    )

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "hotels"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TextsField(models.JSONField):
    """A text in languages of the site: `{"en": "...", "de": "..."}`, an embedded document.

    What is stored has only languages of settings.LANGUAGES, in their order, and no text that is
    empty. `max_length` is for the text in each language.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"default": dict, "blank": True, **options})

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> dict[str, str]:
        # A row that another release added may lack the field.
        return super().from_db_value(value, expression, connection) or {}

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Raises ValidationError unless these are texts of at most `max_length` characters."""
        super().validate(value, model_instance)
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise ValidationError("This must be a text for each language.")
        if self.max_length and any(len(text) > self.max_length for text in value.values()):
            raise ValidationError(f"Use at most {self.max_length:,} characters in each language.")

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """What is stored; a lookup compares with texts as they are."""
        texts = {code: (value or {}).get(code, "").strip() for code, _ in settings.LANGUAGES}
        kept = {code: text for code, text in texts.items() if text}
        return super().get_db_prep_save(kept, connection)

    def formfield(self, **options: Any) -> Any:
        """A field of the class `form_class`, which takes `max_length`."""
        # JSONField's own method would pass on an encoder, too.
        shown = {"max_length": self.max_length, "show_hidden_initial": False, **options}
        return models.Field.formfield(self, **shown)


class HotelContent(models.Model):
    """What guests read about a hotel. A hotel without a row has no content.

    It is apart from the hotel, whose document every booking reads.
    """

    hotel = models.OneToOneField(
        Hotel, primary_key=True, db_column="_id", on_delete=models.CASCADE, related_name="content"
    )
    description = TextsField(
        max_length=SHORT_TEXT,
        help_text="What guests read first: <em>A quiet house by the park, with 20 rooms.</em>",
    )
    amenities = models.JSONField(default=list, blank=True)
    street = models.CharField(max_length=200, blank=True, help_text="Such as Lindenstrasse 12.")
    postal_code = models.CharField(max_length=16, blank=True)
    city = models.CharField(max_length=100, blank=True)
    # ISO 3166, in two letters.
    country = models.CharField(max_length=2, blank=True)
    map_url = models.CharField(
        "link to a map",
        max_length=1000,
        blank=True,
        help_text="Begins with https://, such as the address that a map’s Share button gives you.",
    )
    directions = TextsField(
        max_length=SHORT_TEXT,
        help_text="How guests get to you: <em>From the main station, take bus 100 to Linden.</em>",
    )
    phone = models.CharField(
        "telephone", max_length=40, blank=True, help_text="Such as +49 30 1234567."
    )
    email = models.CharField(
        "e-mail", max_length=254, blank=True, help_text="Where guests write to."
    )
    house_rules = TextsField(
        max_length=SHORT_TEXT,
        help_text="What guests have to know: <em>Please be quiet from 22:00 to 7:00.</em>",
    )
    arrival = TextsField(
        "arrival and departure",
        max_length=SHORT_TEXT,
        help_text=(
            "Check-in and check-out in words: <em>After 20:00 the key is in the box beside the "
            "door.</em> The times themselves are part of the hotel."
        ),
    )
    terms = TextsField(
        "terms and conditions", max_length=LONG_TEXT, help_text="What guests agree to."
    )
    privacy = TextsField(
        "privacy notice", max_length=LONG_TEXT, help_text="What you do with guests’ data."
    )
    imprint = TextsField(
        max_length=SHORT_TEXT,
        help_text="Who runs this hotel: name, address, register, representatives.",
    )

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "hotel_contents"
        ordering = ["hotel"]
        # The right to delete the hotel covers its content.
        default_permissions = ("add", "change", "view")
        verbose_name = "hotel content"
        verbose_name_plural = "hotel content"

    def __str__(self) -> str:
        return str(self.hotel)


class RoomCategory(models.Model):
    """Rooms of a hotel that are sold alike; `occupancy` is the number of guests per room."""

    id = models.CharField(primary_key=True, db_column="_id", max_length=64, validators=[valid_id])
    hotel = models.ForeignKey(Hotel, on_delete=models.PROTECT, related_name="categories")
    name = models.CharField(max_length=200)
    names = TextsField(
        "name in other languages",
        max_length=200,
        help_text="Guests who read another language see this name in place of the first.",
    )
    occupancy = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    # For one night, in minor units of the hotel's currency.
    default_price = models.PositiveIntegerField(
        default=10_000, validators=[MaxValueValidator(MAX_NIGHT_PRICE)]
    )
    sell_by_default = models.BooleanField(
        default=True, help_text="Sell every date at the default price."
    )

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "room_categories"
        ordering = ["hotel", "name"]
        verbose_name_plural = "room categories"

    def __str__(self) -> str:
        return self.name


class CategoryContent(models.Model):
    """What guests read about the rooms of a category, apart from it as a hotel's content is.

    The category's `occupancy` says how many guests may book; `adults` and `children` say at most
    how many of them may be which. Empty means that nothing is said.
    """

    category = models.OneToOneField(
        RoomCategory,
        primary_key=True,
        db_column="_id",
        on_delete=models.CASCADE,
        related_name="content",
    )
    description = TextsField(
        max_length=SHORT_TEXT,
        help_text="What guests read first: <em>Large rooms with a view of the lake.</em>",
    )
    size_m2 = models.PositiveSmallIntegerField(
        "size",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(2000)],
        help_text="In square metres, such as 24.",
    )
    # How many of each kind, by the code of the kind.
    beds = models.JSONField(default=dict, blank=True)
    amenities = models.JSONField(default=list, blank=True)
    adults = models.PositiveSmallIntegerField(
        "maximum adults", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    children = models.PositiveSmallIntegerField("maximum children", null=True, blank=True)

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "category_contents"
        ordering = ["category"]
        default_permissions = ("add", "change", "view")
        verbose_name = "category content"
        verbose_name_plural = "category content"

    def __str__(self) -> str:
        return str(self.category)


class Room(models.Model):
    """A single room, which bookings refer to by its id. People know it by its name.

    The id is made once (bookings/catalogue/ids.py). An index keeps the name unique in the hotel.
    """

    id = models.CharField(primary_key=True, db_column="_id", max_length=64, validators=[valid_id])
    category = models.ForeignKey(RoomCategory, on_delete=models.PROTECT, related_name="rooms")
    # The category's hotel. None in rooms that the release before adds.
    hotel = models.ForeignKey(
        Hotel,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        editable=False,
    )
    hotel_id: str | None
    name = models.CharField(max_length=200, help_text="What guests and staff read, such as 101.")
    is_sold = models.BooleanField("for sale", default=True)
    # By MongoDB's clock; written together with `is_sold`. See bookings/catalogue/withdrawal.py.
    off_sale_since = models.DateTimeField(null=True, editable=False)

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "rooms"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name or self.id

    def save(self, *args: Any, **options: Any) -> None:
        # A room stays in its hotel, whichever of its categories it belongs to.
        self.hotel_id = self.hotel_id or self.category.hotel_id
        super().save(*args, **options)


class Night(models.Model):
    """A night of a category in the sellable calendar; bookings/catalogue/nights.py makes nights."""

    # category|date, so that making a night again finds the existing one.
    id = models.CharField(primary_key=True, db_column="_id", max_length=75, editable=False)
    category = models.ForeignKey(
        RoomCategory, on_delete=models.PROTECT, related_name="nights", db_index=False
    )
    # Text, since a hotel's calendar day is not a moment in time.
    date = models.CharField(max_length=10, validators=[validate_date])
    # In minor units of the hotel's currency.
    price = models.PositiveIntegerField(validators=[MaxValueValidator(MAX_NIGHT_PRICE)])
    closed = models.BooleanField(default=False, help_text="Do not sell this night.")
    min_stay = models.PositiveSmallIntegerField(
        "minimum stay",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text="For stays that arrive on this day; 1 to 90 nights.",
    )
    closed_to_arrival = models.BooleanField(default=False, help_text="No stay starts on this day.")
    closed_to_departure = models.BooleanField(default=False, help_text="No stay ends on this day.")

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "nights"
        # The index of the id serves this order, since the id begins with the category.
        ordering = ["id"]
        # Finds the nights of a stay or a month, with one range for each category.
        indexes = [models.Index(fields=["category", "date"], name="nights_of_a_category")]

    def __str__(self) -> str:
        return f"{self.category_id} on {self.date}"


class NightsJob(models.Model):
    """Work on many nights. Once it is added, only bookings/catalogue/night_jobs.py writes it.

    For a change or an import, `rows` has all the nights to write, and is kept until the job ends.
    """

    class Kind(models.TextChoices):
        GENERATE = "generate"
        CHANGE = "change"
        IMPORT = "import"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    # Made together with the form, so that a form that is sent twice adds one job.
    id = ObjectIdAutoField(primary_key=True)
    kind = models.CharField(
        max_length=8, choices=Kind.choices, default=Kind.GENERATE, editable=False
    )
    hotel = models.ForeignKey(Hotel, on_delete=models.CASCADE, related_name="+", db_index=False)
    start = models.CharField(max_length=10, validators=[validate_date])
    end = models.CharField(max_length=10, validators=[validate_date])
    exclude_end = models.BooleanField(default=False)
    price = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(MAX_NIGHT_PRICE)]
    )
    weekdays = models.CharField(max_length=27)
    overwrite = models.BooleanField(default=False)
    # A change or import in words, and its rows, packed by bookings/catalogue/night_jobs.py.
    summary = models.CharField(max_length=500, default="", editable=False)
    rows = models.BinaryField(null=True, editable=False)
    # Jobs of a deleted account lose its name.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    state = models.CharField(
        max_length=8, choices=State.choices, default=State.WAITING, editable=False
    )
    done = models.PositiveIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(editable=False)
    error = models.TextField(default="", editable=False)
    # The worker's run that has the job, and until when, unless the run extends its lease.
    taken_by = models.CharField(max_length=32, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "nights_jobs"
        ordering = ["-created_at", "-id"]
        # Workers look for the oldest open job every few seconds, while finished jobs pile up.
        indexes = [models.Index(fields=["state", "created_at"], name="oldest_open_job")]

    def __str__(self) -> str:
        """For the pages of the admin, which staff read."""
        first, last = (
            date_format(date.fromisoformat(day), "DATE_FORMAT") for day in (self.start, self.end)
        )
        return f"{self.hotel.name}, {first} to {last}"


class PriceCalendar(models.Model):
    """No table: the page with a hotel's nights, for users who may view nights."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name_plural = "price calendar"


class NightsFile(models.Model):
    """No table: the page that exports and imports nights as CSV, for users who may view nights."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name_plural = "nights as CSV"


class Photo(models.Model):
    """A photo of a hotel, or of one of its categories. Only bookings/content/photos writes it.

    `alt` has the alternative text by the code of its language.
    """

    class State(models.TextChoices):
        UPLOADING = "uploading"
        WAITING = "waiting"
        READY = "ready"
        FAILED = "failed"
        DELETING = "deleting"

    # Made together with the form, so that a form that is sent twice adds one photo.
    id = ObjectIdAutoField(primary_key=True)
    # Staff delete photos first, so that a worker can remove their files.
    hotel = models.ForeignKey(
        Hotel, on_delete=models.DO_NOTHING, related_name="+", db_index=False, editable=False
    )
    # None for a photo of the hotel itself.
    category = models.ForeignKey(
        RoomCategory,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        editable=False,
    )
    position = models.PositiveIntegerField(editable=False)
    alt = models.JSONField(default=dict, editable=False)
    state = models.CharField(
        max_length=9, choices=State.choices, default=State.UPLOADING, editable=False
    )
    # Whether a worker has something to do; the worker's run that does it, and until when.
    is_due = models.BooleanField(default=True, editable=False)
    taken_by = models.CharField(max_length=32, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.TextField(default="", editable=False)
    # SHA-256 of the uploaded file.
    digest = models.CharField(max_length=64, editable=False)
    # In pixels, once the photo is ready; the widths of its pictures, and those of a try.
    width = models.PositiveIntegerField(default=0, editable=False)
    height = models.PositiveIntegerField(default=0, editable=False)
    widths = models.JSONField(default=list, editable=False)
    planned_widths = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(editable=False)

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "photos"
        ordering = ["hotel", "category", "position", "id"]
        indexes = [
            # For pages, which show the photos of a hotel in their order.
            models.Index(fields=["hotel", "category", "position", "id"], name="photos_in_order"),
            # For the worker, which looks every few seconds.
            models.Index(fields=["is_due", "created_at", "id"], name="photos_to_work_on"),
            # For the numbers of photos of all hotels, and of those that failed.
            models.Index(fields=["state"], name="photos_by_state"),
        ]

    def __str__(self) -> str:
        return f"Photo {self.pk}"


class Brand(models.Model):
    """The site's brand, one document. Only bookings/content/brand writes it.

    The accent's colour, the links, the logo and the icon are in the document beside these fields.
    """

    id = models.CharField(primary_key=True, db_column="_id", max_length=8, editable=False)
    version = models.PositiveIntegerField(editable=False)
    name = models.CharField(max_length=40, editable=False)

    class Meta:
        db_table = "brands"
        default_permissions = ("view", "change")
        verbose_name_plural = "brand"

    def __str__(self) -> str:
        return "Brand"


class Figures(models.Model):
    """No table: the page with occupancy and revenue, and the permission to view it."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "occupancy and revenue"
        verbose_name_plural = "occupancy and revenue"


class VerifiedAddress(models.Model):
    """A proved e-mail address, and the account that it belongs to.

    bookings/domain/email_addresses.py normalises it. Only bookings/people/accounts.py writes it.
    """

    address = models.CharField(
        primary_key=True, db_column="_id", max_length=254, editable=False, serialize=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="verified_addresses"
    )
    verified_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "verified_addresses"
        verbose_name_plural = "verified addresses"

    def __str__(self) -> str:
        return self.address


class StaffHotels(models.Model):
    """The only hotels that a member of the staff belongs to. Who has no row belongs to all.

    Only bookings/people/staff_hotels.py writes it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        db_column="_id",
        on_delete=models.CASCADE,
        related_name="+",
    )
    hotels = models.JSONField(editable=False)

    class Meta:
        db_table = "staff_hotels"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class SessionStamp(models.Model):
    """The stamp that every session of an account carries since its sessions were last ended.

    Only bookings/people/sessions.py writes it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        db_column="_id",
        on_delete=models.CASCADE,
        related_name="+",
    )
    stamp = models.CharField(max_length=32, editable=False)

    class Meta:
        db_table = "session_stamps"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class ApiClient(models.Model):
    """A partner that calls the API. Its bookings belong to it, no matter which token it used."""

    id = ObjectIdAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    act_for_others = models.BooleanField(
        default=False, help_text="May send a userId: book for its own guests."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "api_clients"
        ordering = ["name"]
        verbose_name = "API client"

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A token's digest. The token itself is shown once and never stored."""

    digest = models.CharField(primary_key=True, db_column="_id", max_length=64, editable=False)
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="tokens")
    hint = models.CharField("ends in", max_length=4, editable=False)
    created_at = models.DateTimeField(editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # None is everything: tokens of releases before these fields go on as they were.
    scopes = models.JSONField(null=True, editable=False)
    hotels = models.JSONField(null=True, editable=False)
    ends_at = models.DateTimeField(null=True, editable=False)

    objects = SignallingQuerySet.as_manager()

    class Meta:
        db_table = "api_tokens"
        ordering = ["-created_at"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"…{self.hint}"


class WebhookEndpoint(models.Model):
    """Where a partner receives events about its bookings.

    Staff add and delete endpoints in the admin. All other writes are in
    bookings/news/webhooks/endpoints.py, which keeps more in the documents: earlier secrets, leases
    and tests. Secrets are sealed.
    """

    id = ObjectIdAutoField(primary_key=True)
    client = models.OneToOneField(
        ApiClient,
        on_delete=models.CASCADE,
        related_name="webhook_endpoint",
        verbose_name="API client",
    )
    client_id: ObjectId
    url = models.CharField(
        "URL",
        max_length=500,
        help_text="Where the partner's server receives events: https://...",
    )
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text=(
            "While this is off, events wait for up to 30 days. They are sent once it is on again."
        ),
    )
    secret = models.TextField(editable=False)
    hint = models.CharField("secret ends in", max_length=4, editable=False)
    seal_key = models.CharField(max_length=16, editable=False)
    secret_made_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    failures = models.PositiveIntegerField("failures in a row", default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(default="", editable=False)
    last_sent_at = models.DateTimeField("last taken at", null=True, editable=False)
    next_try_at = models.DateTimeField("pauses until", null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "webhook_endpoints"
        ordering = ["client__name"]
        verbose_name = "webhook endpoint"

    def __str__(self) -> str:
        return f"Webhooks of {self.client}"


class BookingRecord(models.Model):
    """A booking as the admin lists it. Only bookings/stays/writing/ writes the collection.

    The history and the keys are missing, since a JSONField cannot read their times and bytes.
    `queries.find_booking` has them.
    """

    id = ObjectIdAutoField(primary_key=True)
    reference = models.CharField(max_length=32)
    kind = models.CharField(max_length=8)
    status = models.CharField(max_length=16)
    hotel = models.CharField(max_length=64)
    category = models.CharField(max_length=64, null=True)  # None if the rooms' categories differ
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
    presence = models.CharField(max_length=16, null=True)  # None without a mark of the desk
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "bookings"
        managed = False
        ordering = ["-id"]
        verbose_name = "booking"
        permissions = [
            ("erase_bookingrecord", "Can export and erase guests' data"),
            ("reprice_bookingrecord", "Can sell at another price"),
        ]

    def __str__(self) -> str:
        return self.reference


class RoomBlock(BookingRecord):
    """A block as the admin lists it: a booking record of another kind, with its own permissions."""

    class Meta:
        proxy = True
        verbose_name = "room block"


class DeliveryRecord(models.Model):
    """A delivery as the admin lists it. Services write the collection."""

    id = models.CharField(primary_key=True, db_column="_id", max_length=80)
    channel = models.CharField(max_length=8)
    to = models.CharField(max_length=24)
    event = models.CharField("news", max_length=16)
    at = models.DateTimeField("happened at")
    booking = ObjectIdField()
    reference = models.CharField(max_length=32)
    state = models.CharField(max_length=16)
    tries = models.PositiveSmallIntegerField("attempts")
    last_error = models.TextField()
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    # The booking as the API showed it.
    payload = models.JSONField()

    class Meta:
        db_table = "deliveries"
        managed = False
        ordering = ["-created_at"]
        verbose_name = "notification"

    def __str__(self) -> str:
        return f"{self.reference}, {self.event}, {self.channel}"


class FailedWork(models.Model):
    """Work that a worker failed to do, as the admin lists it.

    Only bookings/infrastructure/queues/failed_work.py writes the collection.
    """

    id = models.CharField(primary_key=True, db_column="_id", max_length=120)
    queue = models.CharField(max_length=20)
    label = models.CharField("item", max_length=80)
    error = models.CharField(max_length=80)
    place = models.CharField(max_length=80)
    tries = models.PositiveSmallIntegerField("attempts")
    first_failed_at = models.DateTimeField()
    failed_at = models.DateTimeField("last failed at")
    next_try_at = models.DateTimeField(null=True)
    is_over = models.BooleanField()

    class Meta:
        db_table = "failed_work"
        managed = False
        ordering = ["-failed_at"]
        default_permissions = ("view", "delete")
        verbose_name = "failed work"
        verbose_name_plural = "failed work"

    def __str__(self) -> str:
        return f"{self.queue}, {self.label}"
