"""What is asked in each scenario, and which answers are right.

A scenario asks every target the same, with slots and keys that no round has used. Its `ask` returns
a Sample; for bursts the Sample has the processor time of the bursts alone.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from bench.load.driving import Crowd, Flow, HttpAnswer, Sample, measured, raw_request, stream
from bench.load.filling import CATEGORY, HOTEL
from bench.load.filling import ROOMS as ROOMS_OF_SIXTY
from bench.load.stack import ROOMS, Sender, Target

CONNECTIONS = 32
BURST = 64
BURSTS = 10

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
    # Numbers of slots that were not used before.
    numbers: Iterator[int]


@dataclass(frozen=True)
class Scenario:
    """What is asked. `expected` are the right statuses, `floor` is the path of the floor to compare
    with, and `members` the number of mongod."""

    name: str
    title: str
    ask: Callable[[Round], Sample]
    expected: frozenset[int]
    floor: str
    with_peer: bool = False
    members: int = 1


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
    night = date.today() + FIRST_DAY + timedelta(days=number // ROOMS_OF_SIXTY % NIGHTS)  # noqa: DTZ011
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
            yield post(round.target, None, key, f"{_path_of(held)}/confirm")

    return _flows(round, flow)


def cancel(round: Round) -> Sample:
    """Cancellations, each of another booking, made beforehand."""
    crowd = Crowd(round.target.url, CONNECTIONS)
    try:
        wanted = 200 * round.seconds

        def booked() -> Flow:
            yield post(round.target, booking_of(next(round.numbers)), new_key())

        paths: list[str] = []
        while len(paths) < wanted:
            paths += [
                _path_of(answer)
                for answer in crowd.flows(booked, seconds=1)
                if answer.status == CREATED
            ]
    finally:
        crowd.close()
    requests = [post(round.target, None, new_key(), f"{path}/cancel") for path in paths]
    return _stream(round, requests)


def _path_of(answer: HttpAnswer) -> str:
    return f"/api/bookings/{json.loads(answer.body)['booking']['id']}"


def _flows(round: Round, flow: Callable[[], Flow]) -> Sample:
    crowd = Crowd(round.target.url, CONNECTIONS)
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
        connections=CONNECTIONS,
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
    )
    request = raw_request(round.target.url, "GET", path, headers=headers)
    return _stream(round, [request])


def _keyed(name: str, title: str, ask: Callable[[Round], Sample], *expected: int) -> Scenario:
    return Scenario(name, title, ask, frozenset(expected), floor="/create", with_peer=True)


def _read(name: str, title: str, path: str, *, sent_by: Sender = "partner") -> Scenario:
    return Scenario(
        name, title, partial(get, path=path, sent_by=sent_by), frozenset({OK}), "/constant"
    )


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
    _read("list_room", "list by resourceId", "/api/bookings?resourceId=bench_00001"),
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
    _read(
        "grid",
        "the desk's grid, 60 rooms × 31 days",
        "/admin/desk/occupancy/?hotel={hotel}&start={day}&days=31",
        sent_by="staff",
    ),
)
