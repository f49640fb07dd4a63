"""The page that shows how booking works, and the real requests that a visitor can send from it.

The drawing steps through recordings that tests/scenarios/record.py made of the service. They are
served as files. Only a demo site accepts the real requests. They go through the same service as
every booking, as guests made for one run. They hold one room on one night, both chosen by the
server, until the run ends.
"""

import random
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings.availability import search
from bookings.domain.booking import ACTIVE
from bookings.domain.callers import Caller, caller_of_guest
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import TimedRequest
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.infrastructure.throttles import Limit, count_in_all, remote_address_of, wait_s
from bookings.refusals import Refusal, ValidationFailed
from bookings.stays import create, lifecycle, own_bookings

# Each scenario with its recorded faults.
RECORDED = {
    "key": ("none", "lost", "crash", "wipe"),
    "room": ("none", "lost", "crash", "lock_ends", "wipe"),
    "confirm": ("none", "hold_ends"),
}

_SALT = "bookings.web.lesson"

HOTEL_ID = "demo"

# Far enough ahead not to disturb visitors who try the rest of the demo.
FIRST_DAY, LAST_DAY = 400, 700
NIGHT_ATTEMPTS = 5

MAX_REQUESTS = 50
# With 50 requests each, a remote address stays within what it may ask of the API in a minute.
RUNS = Limit("demo-runs", 10, 60)

# A run sends its requests at once. A request that comes later than this is not part of it.
RUN_MAX_AGE_S = 5 * 60

# A page that lost its connection may ask for as long as a room can be held: after that, the hold
# has expired. Ending a run looks up the bookings of all its guests, so calls are limited.
END_MAX_AGE_S = int(lifecycle.LONGEST_HOLD.total_seconds())
MAX_ENDS = 20


@dataclass(frozen=True)
class LiveRun:
    """One run: its name, which names its guests and keys, and the room and night they want."""

    name: str
    room: str
    night: str

    def guest(self, number: int) -> Caller:
        """The guest who uses this number's key: each key has its own guest."""
        return caller_of_guest(f"{self.name}-{number}")

    def key(self, number: int) -> str:
        return f"{self.name}-{number}"


@never_cache
@require_safe
def how_it_works(request: HttpRequest) -> HttpResponse:
    """Shows the lesson. With `DEMO=1` a visitor can also send real requests."""
    files = {
        f"{scenario}-{fault}": static(f"how-it-works/{scenario}-{fault}.json")
        for scenario, faults in RECORDED.items()
        for fault in faults
    }
    context = {"recordings": files, "demo": settings.DEMO, "max_requests": MAX_REQUESTS}
    return render(request, "how_it_works/page.html", context)


@never_cache
@require_safe
def live_parts(request: HttpRequest) -> HttpResponse:
    """What the page's script fetches before it sends requests: an empty chart and its texts."""
    if not settings.DEMO:
        raise Http404
    return render(request, "how_it_works/live.html")


@never_cache
@require_POST
def try_it(request: TimedRequest) -> HttpResponse:
    """Begins a run, sends one of its requests, or ends it. Only the page's script calls it."""
    if not settings.DEMO:
        raise Http404
    do = request.POST.get("do", "")
    if do == "begin":
        return _begin(request)
    token = request.POST.get("run", "")
    if do == "book":
        run, number = _read_run(token, max_age_s=RUN_MAX_AGE_S), _read_number(request)
        if run is not None and number is not None:
            return _book(request, run, number)
    elif do == "end":
        run = _read_run(token, max_age_s=END_MAX_AGE_S)
        if run is not None:
            return _end(request, run)
    return JsonResponse({"code": "RUN_OVER"}, status=400)


def _begin(request: HttpRequest) -> HttpResponse:
    """Chooses the room, night and guests. They are signed, so that a client cannot choose them."""
    left_s = wait_s(RUNS, remote_address_of(request))
    if left_s is not None:
        response = _throttled()
        response["Retry-After"] = str(left_s)
        return response
    hear_of_changes()
    today = clock.today("UTC")
    for _ in range(NIGHT_ATTEMPTS):
        night = today + timedelta(days=random.randint(FIRST_DAY, LAST_DAY))
        try:
            rooms = search.find_free_rooms(hotel_id=HOTEL_ID, night=night).rooms
        except ValidationFailed:
            break  # this site has no demo hotel
        if rooms:
            chosen = random.choice(rooms).room
            name = f"demo-{secrets.token_hex(8)}"
            run = {"name": name, "room": chosen.id, "night": night.isoformat()}
            token = signing.dumps(run, salt=_SALT)
            return JsonResponse({"run": token, "room": chosen.name, "night": run["night"]})
    return JsonResponse({"code": "SOLD_OUT"}, status=409)


def _book(request: TimedRequest, run: LiveRun, number: int) -> HttpResponse:
    """Sends one of the run's requests, and answers with the outcome but not the booking."""
    if _count_requests(run, 1) > MAX_REQUESTS:
        return _throttled()
    payload = {"resourceId": run.room, "date": run.night, "hold": True}
    try:
        outcome = create.create_booking(
            caller=run.guest(number),
            key_header=run.key(number),
            read_payload=lambda: payload,
            deadline=request.deadline,
            remote_address=remote_address_of(request),
        )
    except Refusal as refusal:
        return JsonResponse({"code": refusal.code, "replayed": False}, status=refusal.status)
    booking = outcome.content.get("booking", {}).get("id", "")
    said = {"code": outcome.code or "", "replayed": outcome.replayed, "booking": booking}
    response = JsonResponse(said, status=outcome.answer.status)
    response["Server-Timing"] = outcome.steps.header()
    return response


def _end(request: TimedRequest, run: LiveRun) -> HttpResponse:
    """Releases the room and says how often the run booked, in case the page lost an answer.

    Safe to repeat. Without this call, the room is free again when its hold expires.
    """
    if count_in_all(f"demo-ends:{run.name}", kept_s=END_MAX_AGE_S) > MAX_ENDS:
        return _throttled()
    # Requests that are still on their way must not book.
    _count_requests(run, MAX_REQUESTS)
    booked = 0
    for number in range(1, MAX_REQUESTS + 1):
        guest = run.guest(number)
        bookings, _ = own_bookings.list_own_bookings(viewer=guest)
        booked += len(bookings)
        for booking in bookings:
            if booking.status_at(clock.now()) not in ACTIVE:
                continue
            try:
                outcome = lifecycle.cancel_booking(
                    actor=guest,
                    booking_id=str(booking.id),
                    key_header=None,
                    deadline=request.deadline,
                )
            except Refusal as refusal:
                return JsonResponse({"code": refusal.code}, status=refusal.status)
            if outcome.code:
                return JsonResponse({"code": outcome.code}, status=outcome.answer.status)
    return JsonResponse({"booked": booked})


def _count_requests(run: LiveRun, times: int) -> int:
    """Counts requests of the run and returns the total. The name is unique, so the count is too."""
    return count_in_all(f"demo-requests:{run.name}", times=times, kept_s=RUN_MAX_AGE_S)


def _read_run(token: str, *, max_age_s: int) -> LiveRun | None:
    try:
        return LiveRun(**signing.loads(token, salt=_SALT, max_age=max_age_s))
    except signing.BadSignature:
        return None


def _read_number(request: HttpRequest) -> int | None:
    """The number of the run's key; None if it is not one of the run's numbers."""
    text = request.POST.get("number", "")
    numbers = {str(number): number for number in range(1, MAX_REQUESTS + 1)}
    return numbers.get(text)


def _throttled() -> HttpResponse:
    return JsonResponse({"code": "THROTTLED"}, status=429)
