"""Nights made in bulk: complete and right when repeated, interrupted or doubled."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pymongo.errors import BulkWriteError, PyMongoError

from bookings.catalogue import nights
from bookings.catalogue.nights import Progress, generate_nights
from bookings.infrastructure import connections, deadlines
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, Night
from bookings.refusals import ValidationFailed
from tests.site import ROOT

pytestmark = pytest.mark.mongo

MONDAY, SUNDAY = date(2027, 3, 1), date(2027, 3, 7)
ATTIC, SUITE = "chalet_attic", "chalet_suite"


def generate(**changes: Any) -> Progress:
    """Makes a week in the chalet unless `changes` say otherwise."""
    wish: dict[str, Any] = {"hotel_id": "chalet", "start": MONDAY, "end": SUNDAY, **changes}
    return generate_nights(**wish)


def calendar(category: str = ATTIC) -> dict[str, int]:
    """Returns the price of each existing night."""
    found = collection("nights").find({"category_id": category}).sort("date")
    return {night["date"]: night["price"] for night in found}


def run_command(**changes: Any) -> str:
    said = io.StringIO()
    options = {"hotel": "chalet", "start": "2027-03-01", "end": "2027-03-07", **changes}
    call_command("generate_nights", stdout=said, **options)
    return said.getvalue().strip()


@pytest.fixture
def stopping(chalet: Hotel) -> Any:
    """Runs the command in a process that gets a signal between the two categories."""

    def run(number: signal.Signals, arguments: str) -> subprocess.CompletedProcess[str]:
        program = f"""
import os, signal, django
django.setup()
# Under nohup Python would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from bookings.catalogue import nights
from django.core.management import execute_from_command_line
write = nights._write_nights
def write_one_and_die(category, *arguments, **options):
    if category == {SUITE!r}:
        os.kill(os.getpid(), {int(number)})
    return write(category, *arguments, **options)
nights._write_nights = write_one_and_die
execute_from_command_line(["manage.py", *{arguments.split()!r}])
"""
        return subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


# --- New nights ---------------------------------------------------------------------------------


def test_makes_every_night_of_every_category_with_both_ends(chalet: Hotel) -> None:
    result = generate()

    week = [f"2027-03-0{day}" for day in range(1, 8)]
    assert result == Progress(total=14, made=14)
    assert calendar(ATTIC) == dict.fromkeys(week, 8_000)
    assert calendar(SUITE) == dict.fromkeys(week, 12_000)
    assert collection("nights").find_one({"_id": "chalet_attic|2027-03-01"}) == {
        "_id": "chalet_attic|2027-03-01",
        "category_id": "chalet_attic",
        "date": "2027-03-01",
        "price": 8_000,
        "closed": False,
        "min_stay": 1,
        "closed_to_arrival": False,
        "closed_to_departure": False,
    }


def test_makes_what_the_model_reads(chalet: Hotel) -> None:
    generate()

    night = Night.objects.get(pk="chalet_attic|2027-03-01")

    night.full_clean()
    assert (night.category.hotel, night.price, night.min_stay) == (chalet, 8_000, 1)


def test_leaves_other_hotels_alone(chalet: Hotel) -> None:
    generate()

    assert sorted(collection("nights").distinct("category_id")) == [ATTIC, SUITE]


def test_leaves_out_the_end_if_told_to(chalet: Hotel) -> None:
    generate(exclude_end=True)

    assert list(calendar())[-1] == "2027-03-06"


def test_keeps_to_the_weekdays(chalet: Hotel) -> None:
    generate(weekdays=["sat", "fri"])

    assert list(calendar()) == ["2027-03-05", "2027-03-06"]


def test_sets_one_price_for_all_categories(chalet: Hotel) -> None:
    generate(price=0, allow_free=True)

    assert set(calendar(ATTIC).values()) == set(calendar(SUITE).values()) == {0}


def test_takes_one_night_alone(chalet: Hotel) -> None:
    assert generate(end=MONDAY).made == 2


def test_takes_the_whole_horizon_over_a_leap_day(chalet: Hotel) -> None:
    generate(end=MONDAY + timedelta(days=730))

    assert len(calendar()) == 731
    assert "2028-02-29" in calendar()


@pytest.mark.parametrize(
    ("hotel", "sentence"),
    [("nowhere", "There is no such hotel"), ("chalet", "has no room categories")],
)
def test_needs_a_hotel_with_categories(chalet: Hotel, hotel: str, sentence: str) -> None:
    chalet.categories.all().delete()

    with pytest.raises(ValidationFailed, match=sentence):
        generate(hotel_id=hotel)


# --- Existing nights ----------------------------------------------------------------------------


def test_leaves_nights_exactly_as_they_are(chalet: Hotel) -> None:
    generate(end=date(2027, 3, 3), price=5_000)
    collection("nights").update_one(
        {"_id": "chalet_attic|2027-03-02"}, {"$set": {"closed": True, "min_stay": 3}}
    )
    before = list(collection("nights").find())

    result = generate(price=9_000)

    assert result == Progress(total=14, made=8, left=6)
    assert [night for night in collection("nights").find() if night["price"] == 5_000] == before


def test_overwrites_the_price_and_keeps_the_restrictions(chalet: Hotel) -> None:
    generate(end=date(2027, 3, 3))
    restrictions = {
        "closed": True,
        "min_stay": 3,
        "closed_to_arrival": True,
        "closed_to_departure": True,
    }
    closed = {"_id": "chalet_attic|2027-03-02"}
    collection("nights").update_one(closed, {"$set": restrictions})

    result = generate(price=9_000, overwrite=True)

    assert result == Progress(total=14, made=8, changed=6)
    night = collection("nights").find_one(closed)
    assert night is not None
    assert night["price"] == 9_000
    assert {name: night[name] for name in restrictions} == restrictions
    assert set(calendar(SUITE).values()) == {9_000}


def test_overwrites_only_the_nights_it_was_asked_for(chalet: Hotel) -> None:
    generate()

    generate(start=date(2027, 3, 3), weekdays=["wed", "sun"], price=1, overwrite=True)

    assert [day for day, price in calendar().items() if price == 1] == ["2027-03-03", "2027-03-07"]


def test_changes_nothing_when_repeated(chalet: Hotel) -> None:
    generate(price=9_000, overwrite=True)

    assert generate(price=9_000, overwrite=True) == Progress(total=14, left=14)


# --- Interrupted, doubled -----------------------------------------------------------------------


def test_tells_how_far_it_is(chalet: Hotel) -> None:
    heard: list[Progress] = []

    generate(on_progress=heard.append)

    assert [(progress.done, progress.total) for progress in heard] == [(0, 14), (7, 14), (14, 14)]


def test_has_a_time_out_for_each_category_and_none_for_all(
    chalet: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "MONGODB_TIMEOUT_S", 0.6)

    result = generate(on_progress=lambda _: time.sleep(0.25))

    assert result.made == 14


def test_writes_nothing_when_it_was_held_up_beyond_its_time_out(
    chalet: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "MONGODB_TIMEOUT_S", 0.3)

    with pytest.raises(PyMongoError) as caught:
        generate(on_progress=lambda _: time.sleep(0.35))

    assert caught.value.timeout
    assert calendar() == {}


def test_is_complete_after_it_was_killed_and_run_again(stopping: Any) -> None:
    year = "generate_nights --hotel chalet --start 2027-01-01 --end 2027-12-31"

    killed = stopping(signal.SIGKILL, year)
    found = len(calendar(ATTIC)), len(calendar(SUITE))
    said = run_command(start="2027-01-01", end="2027-12-31")

    assert killed.returncode == -signal.SIGKILL
    assert found == (365, 0)
    assert said == "Nights of chalet: 365 made, 0 changed, 365 left as they were."
    assert len(calendar(SUITE)) == 365


def test_says_after_ctrl_c_that_it_may_be_run_again(stopping: Any) -> None:
    week = "generate_nights --hotel chalet --start 2027-03-01 --end 2027-03-07"

    stopped = stopping(signal.SIGINT, week)

    assert stopped.returncode == 130
    assert stopped.stderr == (
        "CommandError: Stopped; run the same command again to make what is missing.\n"
    )
    assert run_command().startswith("Nights of chalet: 7 made")


def test_is_right_when_several_run_at_once(chalet: Hotel) -> None:
    barrier = threading.Barrier(4)
    results: list[Progress] = []

    def run() -> None:
        barrier.wait()
        results.append(generate(end=date(2028, 2, 28), price=9_000, overwrite=True))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(result.made for result in results) == 2 * 365
    assert [result.done for result in results] == [2 * 365] * 4
    assert set(calendar(ATTIC).values()) == set(calendar(SUITE).values()) == {9_000}
    assert len(calendar(ATTIC)) == len(calendar(SUITE)) == 365


def test_leaves_what_another_made_after_it_looked(
    chalet: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = nights.new_night

    def make_late(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(nights, "new_night", make)
        generate(end=MONDAY, price=1)
        return make(*arguments)

    monkeypatch.setattr(nights, "new_night", make_late)

    result = generate()

    assert result == Progress(total=14, made=12, left=2)
    assert calendar()["2027-03-01"] == 1


def test_hides_no_fault_and_writes_nothing_of_its_category(chalet: Hotel) -> None:
    generate(end=MONDAY)
    before = calendar()
    connections.database().command("collMod", "nights", validator={"price": {"$gt": 1}})

    try:
        with pytest.raises(BulkWriteError):
            generate(price=1)
    finally:
        connections.database().command("collMod", "nights", validator={})

    assert calendar() == before


# --- The command --------------------------------------------------------------------------------


def test_says_what_it_did(chalet: Hotel) -> None:
    first = run_command(weekdays="Mon, tue", price="5000")
    second = run_command(price="7000", overwrite=True, exclude_end=True)

    assert first == "Nights of chalet: 4 made, 0 changed, 0 left as they were."
    assert second == "Nights of chalet: 8 made, 4 changed, 0 left as they were."
    assert set(calendar().values()) == {7_000}


def test_says_that_there_is_no_such_hotel(chalet: Hotel) -> None:
    with pytest.raises(CommandError, match=r"^There is no such hotel; its id is in the admin's"):
        run_command(hotel="nowhere")


@pytest.mark.slow
def test_shows_a_bar_on_a_terminal_alone(chalet: Hotel, environment: dict[str, str]) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "generate_nights", "--hotel", "chalet"]
    command += ["--start", "2027-03-01", "--end", "2027-03-07"]
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(stderr, (24, 100))

    on_terminal = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60
    )
    in_file = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    os.write(stderr, b"|")  # or reading would wait where nothing was shown
    shown = os.read(terminal, 100_000).decode()
    os.close(stderr)
    os.close(terminal)
    assert "14/14" in shown
    assert on_terminal.stdout == "Nights of chalet: 14 made, 0 changed, 0 left as they were.\n"
    assert "14/14" not in in_file.stderr
