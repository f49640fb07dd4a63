"""What is asked in each scenario, and which answers are right.

A scenario asks every target the same, with slots and keys that no round has used. Its `ask` returns
a Sample; for bursts the Sample has the processor time of the bursts alone.
"""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from statistics import median, quantiles

from bench.load.driving import (
    Crowd,
    Flow,
    HttpAnswer,
    Later,
    Sample,
    measured,
    raw_request,
    stream,
)
from bench.load.filling import (
    CATEGORY,
    COMMON_NAME,
    CORE_NIGHTS,
    HOT_CATEGORY,
    HOT_HOTEL,
    HOT_ROOMS,
    HOTEL,
    OWN_ID,
    RARE_NAME,
    room_of,
)
from bench.load.filling import ROOMS as ROOMS_OF_SIXTY
from bench.load.stack import ROOMS, Sender, Target

BURST = 64
BURSTS = 10

# For the rooms of a night that everyone wants. A client that has no definite answer after its
# patience stops, and the round is wrong.
HOT_CLIENTS = 1_000
HOT_WITHIN_S = 5.0
PATIENCE_S = 60.0
UNTOLD_WAIT_S = 0.2
DEFINITE = frozenset({"ALREADY_BOOKED", "SOLD_OUT"})

# More requests than a round can send, and slots that a hotel sells: up to 730 days ahead.
MOST_A_SECOND = 2_500
FIRST_DAY = timedelta(days=30)
NIGHTS = 690

CREATED, OK, REFUSED = 201, 200, 409


@dataclass(frozen=True)
class Round:
    """One round of a scenario against one target."""

    target: Target
    seconds: int
    connections: int
    # Numbers of slots that were not used before, and of nights in the hotel `hot`.
    numbers: Iterator[int]
    nights: Iterator[int]


@dataclass(frozen=True)
class Scenario:
    """What is asked. `expected` are the right statuses, `floor` is the path of the floor to compare
    with, and `members` the number of mongod. `within_s` is how long a round may last."""

    name: str
    title: str
    ask: Callable[[Round], Sample]
    expected: frozenset[int]
    floor: str
    with_peer: bool = False
    members: int = 1
    within_s: float | None = None


class Wrong(Exception):
    """An answer breaks a promise; the message says which."""


# --- Requests -------------------------------------------------------------------------------


def booking_of(number: int) -> dict[str, object]:
    """A body that books another free room and night for each number."""
    night = date.today() + FIRST_DAY + timedelta(days=number // ROOMS % NIGHTS)  # noqa: DTZ011
    return {
        "userId": f"guest-{number % 997}",
        "resourceId": f"bench_{number % ROOMS + 1:05}",
        "date": night.isoformat(),
    }


def category_of(number: int) -> dict[str, object]:
    """A body that books a room of the hotel with sixty rooms, another for each number."""
    later = number // ROOMS_OF_SIXTY % (FIRST_DAY.days + NIGHTS - CORE_NIGHTS)
    night = date.today() + timedelta(days=CORE_NIGHTS + later)  # noqa: DTZ011
    return {
        "userId": f"guest-{number % 997}",
        "categoryId": CATEGORY,
        "checkIn": night.isoformat(),
        "checkOut": (night + timedelta(days=1)).isoformat(),
    }


def post(
    target: Target, body: dict[str, object] | None, key: str | None, path: str = "/api/bookings"
) -> bytes:
    """A POST with a key, or without one."""
    headers = dict(target.headers)
    if key is not None:
        headers["Idempotency-Key"] = key
    return raw_request(target.url, "POST", path, headers=headers, body=body)


def ask_once(target: Target, request: bytes) -> HttpAnswer:
    """The answer to one request, on a connection of its own."""
    crowd = Crowd(target.url, 1)
    try:
        return crowd.ask(request)
    finally:
        crowd.close()


def new_key() -> str:
    return secrets.token_hex(12)


# --- Scenarios ------------------------------------------------------------------------------


def ask_floor(round: Round, path: str) -> Sample:
    """Asks the floor: for `/create` with another key each time, else for the same again."""
    many = MOST_A_SECOND * round.seconds if path == "/create" else 1
    requests = [post(round.target, booking_of(each), new_key(), path) for each in range(many)]
    return _stream(round, requests)


def create(
    round: Round, *, body_of: Callable[[int], dict[str, object]] = booking_of, keyed: bool = True
) -> Sample:
    run = new_key()
    requests = []
    for _ in range(MOST_A_SECOND * round.seconds):
        number = next(round.numbers)
        key = f"{run}-{number}" if keyed else None
        requests.append(post(round.target, body_of(number), key))
    return _stream(round, requests)


def replay(round: Round, *, keyed: bool = True, refused: bool = False) -> Sample:
    """The same request again and again, after it has got its answer."""
    body = booking_of(next(round.numbers))
    request = post(round.target, body, new_key() if keyed else None)
    if refused:
        ask_once(round.target, post(round.target, body, new_key()))
    first = ask_once(round.target, request)
    sample = _stream(round, [request])
    again = ask_once(round.target, request)
    if first.body != again.body:
        raise Wrong(f"{round.target.name} answered a key with {first.body!r}, then {again.body!r}")
    return sample


def one_slot(round: Round) -> Sample:
    """64 clients with keys of their own want one slot at the same moment."""

    def requests() -> list[bytes]:
        body = booking_of(next(round.numbers))
        return [
            post(round.target, body | {"userId": f"rival-{each}"}, new_key())
            for each in range(BURST)
        ]

    def check(answers: list[HttpAnswer]) -> None:
        made = [answer for answer in answers if answer.status == CREATED]
        if len(made) != 1:
            raise Wrong(f"{round.target.name} sold one slot {len(made)} times")

    return _bursts(round, requests, check)


def one_key(round: Round) -> Sample:
    """64 clients send the same request under one key at the same moment."""

    def requests() -> list[bytes]:
        return [post(round.target, booking_of(next(round.numbers)), new_key())] * BURST

    def check(answers: list[HttpAnswer]) -> None:
        made = {answer.body for answer in answers if answer.status == CREATED}
        if len(made) != 1:
            raise Wrong(f"{round.target.name} gave one key {len(made)} different answers")

    return _bursts(round, requests, check)


def hot_night(round: Round, *, by_room: bool) -> Sample:
    """A thousand clients at once want the hundred rooms of one night, each until it knows.

    They name a room, ten clients each the same, or the category. The sample's times are those from
    the beginning to a client's definite answer.
    """
    night = date.today() + FIRST_DAY + timedelta(days=next(round.nights) % NIGHTS)  # noqa: DTZ011
    took_ms: list[float] = []
    sold = Counter[str]()
    began_s = 0.0

    def client(number: int) -> Flow:
        body = {
            "userId": f"rival-{number}",
            "checkIn": night.isoformat(),
            "checkOut": (night + timedelta(days=1)).isoformat(),
        }
        if by_room:
            body["resourceId"] = room_of(HOT_HOTEL, number % HOT_ROOMS + 1)
        else:
            body["categoryId"] = HOT_CATEGORY
        request = post(round.target, body, new_key())
        answer = yield request
        while not _is_definite(answer):
            if time.perf_counter() - began_s > PATIENCE_S:
                raise Wrong(f"{round.target.name} left a client without a definite answer")
            answer = yield Later(request, answer.retry_after_s or UNTOLD_WAIT_S)
        took_ms.append((time.perf_counter() - began_s) * 1000)
        if answer.status == CREATED:
            rooms = json.loads(answer.body)["booking"]["rooms"]
            sold.update(room["resourceId"] for room in rooms)

    crowd = Crowd(round.target.url, HOT_CLIENTS, opens_late=True)
    try:
        began_s = time.perf_counter()
        sample = measured(
            lambda: crowd.all_flows(map(client, range(HOT_CLIENTS))),
            processes=round.target.processes,
        )
    finally:
        crowd.close()
    if len(sold) != HOT_ROOMS or sold.total() != HOT_ROOMS:
        raise Wrong(f"{round.target.name} sold {len(sold)} rooms of {HOT_ROOMS}: {sold}")
    return replace(sample, p50_ms=median(took_ms), p99_ms=quantiles(took_ms, n=100)[-1])


def _is_definite(answer: HttpAnswer) -> bool:
    """Whether the client knows now: it has a room, or there is none."""
    if answer.status != REFUSED:
        return answer.status == CREATED
    return json.loads(answer.body)["code"] in DEFINITE


def _bursts(
    round: Round, requests: Callable[[], list[bytes]], check: Callable[[list[HttpAnswer]], None]
) -> Sample:
    crowd = Crowd(round.target.url, BURST)
    waves = [requests() for _ in range(BURSTS)]

    def run() -> list[HttpAnswer]:
        answers = []
        for wave in waves:
            answers.append(crowd.burst(wave))
        for each in answers:
            check(each)
        return [answer for each in answers for answer in each]

    try:
        return measured(run, processes=round.target.processes)
    finally:
        crowd.close()


def hold_and_confirm(round: Round) -> Sample:
    """A hold, then its confirmation, as two requests."""

    def flow() -> Flow:
        key = new_key()
        held = yield post(round.target, booking_of(next(round.numbers)) | {"hold": True}, key)
        if held.status == CREATED:
            yield post(round.target, None, key, f"{path_of(held)}/confirm")

    return _flows(round, flow)


def cancel(round: Round) -> Sample:
    """Cancellations, each of another booking, made beforehand."""
    crowd = Crowd(round.target.url, round.connections)
    try:
        wanted = 200 * round.seconds

        def booked() -> Flow:
            yield post(round.target, booking_of(next(round.numbers)), new_key())

        paths: list[str] = []
        while len(paths) < wanted:
            paths += [
                path_of(answer)
                for answer in crowd.flows(booked, seconds=1)
                if answer.status == CREATED
            ]
    finally:
        crowd.close()
    requests = [post(round.target, None, new_key(), f"{path}/cancel") for path in paths]
    return _stream(round, requests)


def path_of(answer: HttpAnswer) -> str:
    """The path of the booking that this answer acknowledges."""
    return f"/api/bookings/{json.loads(answer.body)['booking']['id']}"


def _flows(round: Round, flow: Callable[[], Flow]) -> Sample:
    crowd = Crowd(round.target.url, round.connections)
    try:
        return measured(
            lambda: crowd.flows(flow, seconds=round.seconds), processes=round.target.processes
        )
    finally:
        crowd.close()


def _stream(round: Round, requests: list[bytes]) -> Sample:
    target = round.target
    return stream(
        target.url,
        requests,
        connections=round.connections,
        seconds=round.seconds,
        processes=target.processes,
    )


def get(round: Round, *, path: str, sent_by: Sender) -> Sample:
    """One page or list again and again."""
    headers = round.target.headers_of(sent_by)
    day = date.today() + FIRST_DAY  # noqa: DTZ011
    path = path.format(
        day=day,
        fifth=day + timedelta(days=5),
        month=f"{day:%Y-%m}",
        hotel=HOTEL,
        category=CATEGORY,
        booking=OWN_ID,
    )
    request = raw_request(round.target.url, "GET", path, headers=headers)
    return _stream(round, [request])


def _keyed(name: str, title: str, ask: Callable[[Round], Sample], *expected: int) -> Scenario:
    return Scenario(name, title, ask, frozenset(expected), floor="/create", with_peer=True)


def _read(name: str, title: str, path: str, *, sent_by: Sender = "partner") -> Scenario:
    return Scenario(
        name, title, partial(get, path=path, sent_by=sent_by), frozenset({OK}), "/constant"
    )


def _hot(name: str, title: str, *, by_room: bool) -> Scenario:
    ask, expected = partial(hot_night, by_room=by_room), frozenset({CREATED, REFUSED})
    return Scenario(name, title, ask, expected, floor="/create", within_s=HOT_WITHIN_S)


_CREATE = _keyed("create", "create, by room", create, CREATED)

SCENARIOS = (
    _CREATE,
    replace(
        _CREATE,
        name="create_category",
        title="create, by category of 60 rooms",
        ask=partial(create, body_of=category_of),
        with_peer=False,
    ),
    replace(
        _CREATE,
        name="create_keyless",
        title="create, server-made key",
        ask=partial(create, keyed=False),
    ),
    replace(
        _CREATE,
        name="create_three",
        title="create, by room, three mongod",
        members=3,
    ),
    replace(_keyed("replay", "replay of a success", replay, CREATED), floor="/replay"),
    replace(
        _keyed("replay_refused", "replay of a refusal", partial(replay, refused=True), REFUSED),
        floor="/replay",
    ),
    replace(
        _keyed("replay_keyless", "replay, server-made key", partial(replay, keyed=False), CREATED),
        floor="/replay",
    ),
    replace(
        _keyed("one_slot", "64 clients, one slot", one_slot, CREATED, REFUSED), floor="/replay"
    ),
    replace(_keyed("one_key", "64 clients, one key", one_key, CREATED, REFUSED), floor="/replay"),
    _hot("hot_night", "1,000 clients, 100 rooms by category", by_room=False),
    _hot("hot_rooms", "1,000 clients, 100 rooms by name", by_room=True),
    Scenario(
        "hold_confirm", "hold and confirm", hold_and_confirm, frozenset({CREATED, OK}), "/create"
    ),
    Scenario("cancel", "cancel", cancel, frozenset({OK}), "/create"),
    replace(_read("health", "health", "/api/health"), with_peer=True),
    _read(
        "availability",
        "availability, 60 rooms × 5 nights",
        "/api/availability?hotelId={hotel}&checkIn={day}&checkOut={fifth}",
    ),
    _read("calendar", "calendar of a month", "/api/calendar?categoryId={category}&month={month}"),
    _read("list", "list of 50", "/api/bookings?limit=50"),
    _read("list_user", "list by userId", "/api/bookings?userId=guest-1"),
    _read("list_room", "list by resourceId", "/api/bookings?resourceId=sixty_001"),
    _read("list_date", "list by date", "/api/bookings?date={day}"),
    _read("list_status", "list by status", "/api/bookings?status=cancelled"),
    _read("first_page", "first page", "/", sent_by="guest"),
    _read(
        "stays_page",
        "stays page, 60 rooms",
        "/stays?hotel={hotel}&arrival={day}&departure={fifth}&guests=2&rooms=1",
        sent_by="guest",
    ),
    _read("month_page", "month page", "/calendar/{category}?month={month}", sent_by="guest"),
    _read("own_page", "a guest's list of bookings", "/bookings", sent_by="staff"),
    _read("booking_page", "a guest's booking", "/bookings/{booking}", sent_by="staff"),
    _read("office", "the admin's first page", "/admin/?hotel={hotel}", sent_by="staff"),
    _read("today", "the desk's day", "/admin/desk/today/?hotel={hotel}", sent_by="staff"),
    _read(
        "rooms",
        "the desk's free rooms",
        "/admin/desk/rooms/?hotel={hotel}&day={day}&check_out={fifth}&guests=2",
        sent_by="staff",
    ),
    _read(
        "find_rare",
        "the desk's search, 28 found",
        f"/admin/desk/guests/?q={RARE_NAME}",
        sent_by="staff",
    ),
    _read(
        "find_common",
        "the desk's search, a hundredth found",
        f"/admin/desk/guests/?q={COMMON_NAME}",
        sent_by="staff",
    ),
    _read(
        "find_address",
        "the desk's search, by e-mail address",
        f"/admin/desk/guests/?q={RARE_NAME.lower()}.filled-100@example.org",
        sent_by="staff",
    ),
    _read(
        "offer_rare",
        "earlier guests, offered to a new booking",
        f"/admin/bookings/bookingrecord/add/guests/?q={RARE_NAME}",
        sent_by="staff",
    ),
    _read(
        "offer_common",
        "earlier guests, of a common name",
        f"/admin/bookings/bookingrecord/add/guests/?q={COMMON_NAME}",
        sent_by="staff",
    ),
    _read("person", "a guest's stays", "/admin/desk/guests/{booking}/", sent_by="staff"),
    _read(
        "stays_list",
        "the admin's list of bookings",
        "/admin/bookings/bookingrecord/",
        sent_by="staff",
    ),
    _read(
        "stay_form",
        "the admin's page of a booking",
        "/admin/bookings/bookingrecord/{booking}/change/",
        sent_by="staff",
    ),
    _read(
        "stays_found",
        "the admin's list of bookings, searched",
        f"/admin/bookings/bookingrecord/?q={RARE_NAME}",
        sent_by="staff",
    ),
    _read(
        "new_stay",
        "the form of a new booking",
        "/admin/bookings/bookingrecord/add/",
        sent_by="staff",
    ),
    _read("blocks", "the list of blocks", "/admin/bookings/roomblock/", sent_by="staff"),
    _read(
        "prices",
        "the price calendar",
        "/admin/bookings/pricecalendar/?hotel={hotel}",
        sent_by="staff",
    ),
    _read(
        "grid",
        "the desk's grid, 60 rooms × 31 days",
        "/admin/desk/occupancy/?hotel={hotel}&start={day}&days=31",
        sent_by="staff",
    ),
)
