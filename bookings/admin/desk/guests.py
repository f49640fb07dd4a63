"""The page that finds stays by what the guest says."""

from django.http import HttpRequest, HttpResponse

from bookings.admin.desk.access import LOOK, desk_page, show
from bookings.admin.desk.marks import PRESENCE_LABELS
from bookings.admin.own_hotels import list_own, own_hotels
from bookings.catalogue import inventory
from bookings.domain.booking import CONFIRMED, EXPECTED, EXPIRED, PENDING, Booking
from bookings.front_desk.guest_search import find_stay_ids
from bookings.infrastructure import clock
from bookings.models import BookingRecord

MAX_FOUND = 50


@desk_page(LOOK)
def find_guests(request: HttpRequest) -> HttpResponse:
    """Finds stays by reference, name, e-mail or phone, cancelled ones too, the newest first. The
    stays of a room come by arrival, as its guests do."""
    typed = request.GET.get("q", "").replace("\x00", "").strip()
    records: list[BookingRecord] = []
    hotels = list_own(request)
    hotel_names = {hotel.id: hotel.name for hotel in hotels}
    if typed:
        ids = find_stay_ids(typed, hotels=hotels, limit=MAX_FOUND, only=own_hotels(request))
        records = list(BookingRecord.objects.filter(pk__in=ids))
        if inventory.find_rooms_named([" ".join(typed.split())], [hotel.id for hotel in hotels]):
            records.sort(key=lambda record: record.check_in)
    names = inventory.room_names(booked["room"] for record in records for booked in record.rooms)
    return show(
        request,
        "guests.html",
        "Find a guest",
        typed=typed,
        is_cut=len(records) == MAX_FOUND,
        most=MAX_FOUND,
        has_several_hotels=len(hotels) > 1,
        found=[
            (
                record,
                hotel_names.get(record.hotel, ""),
                ", ".join(names.get(booked["room"], booked["room"]) for booked in record.rooms),
                state_of(record),
            )
            for record in records
        ],
    )


def state_of(record: BookingRecord | Booking) -> str:
    """The state of a stay in a word or two, with the desk's mark."""
    if record.status == PENDING and record.expires_at and record.expires_at <= clock.now():
        return EXPIRED
    if record.status == CONFIRMED and record.presence and record.presence != EXPECTED:
        return PRESENCE_LABELS[record.presence]
    return record.status
