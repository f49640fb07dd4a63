"""The page /how-it-works, and the real requests that people can send from it on a demo site."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.staticfiles import finders
from django.test import Client

from bookings.web import how_it_works
from tests.calls import book, let_hold_end, stored
from tests.scenarios.record import FOLDER, SCENARIOS

pytestmark = pytest.mark.mongo

TRY = "/how-it-works/try"

MAX_PAGE_BYTES = 60_000


@pytest.fixture
def browser() -> Client:
    return Client()


@pytest.fixture
def demo(settings: Any) -> None:
    settings.DEMO = True


def begin(browser: Client) -> str:
    return browser.post(TRY, {"do": "begin"}).json()["run"]


def send(browser: Client, run: str, number: int | str = 1, **fields: str) -> Any:
    return browser.post(TRY, {"do": "book", "run": run, "number": number, **fields})


def end(browser: Client, run: str) -> Any:
    return browser.post(TRY, {"do": "end", "run": run})


# --- The page ------------------------------------------------------------------------------


def test_tells_the_path_in_words_without_a_script(browser: Client) -> None:
    page = browser.get("/how-it-works").content.decode()

    assert "writes the booking, its key and its answer as one document" in page
    assert re.search(r'<section id="lesson"[^>]* hidden>', page)
    assert "<noscript>" in page


def test_has_no_script_or_style_inside() -> None:
    page = Client().get("/how-it-works").content.decode()

    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert all(
        "src=" in tag or 'type="application/json"' in tag
        for tag in re.findall(r"<script[^>]*>", page)
    )


def test_offers_what_was_recorded(browser: Client) -> None:
    page = browser.get("/how-it-works").content.decode()
    (text,) = re.findall(r'<script id="recordings"[^>]*>(.*?)</script>', page)
    files = json.loads(text)

    names = [f"{scenario.name}-{fault}" for scenario in SCENARIOS for fault in scenario.faults]
    assert sorted(files) == sorted(names)
    assert all(finders.find(url.removeprefix("/static/")) for url in files.values())


def test_has_words_for_everything_that_was_recorded(browser: Client) -> None:
    page = browser.get("/how-it-works").content.decode()
    codes = set(re.findall(r'<p id="([^"]+)"', page.partition('<template id="texts">')[2]))

    for file in FOLDER.iterdir():
        recorded = json.loads(file.read_text(encoding="utf-8"))
        for code, *facts in (seen for step in recorded["steps"] for seen in step):
            assert code in codes or f"{code}.{facts[0]}" in codes, (file.name, code, facts)
            if code in ("answer", "lost") and facts[1]:
                assert f"status.{facts[1]}" in codes
        for claims, _, bookings in recorded["states"]:
            assert {f"redis.{what}" for _, what, _ in claims} <= codes
            assert {f"booking.{status}" for _, _, status in bookings} <= codes
        ends = (place[-1] for graph in recorded["graphs"] for place in graph)
        broken = {promise for end in ends if isinstance(end, list) for promise in end}
        assert {f"verdict.{promise}" for promise in broken} <= codes


def test_has_words_for_everything_that_a_run_may_come_to(browser: Client, demo: None) -> None:
    page = browser.get("/how-it-works").content.decode()
    page += browser.get("/how-it-works/live").content.decode()
    script = Path(str(finders.find("try-it.js"))).read_text(encoding="utf-8")
    codes = set(re.findall(r'<p id="([^"]+)"', page.partition('<template id="texts">')[2]))
    (kinds,) = re.findall(r"KINDS = \[(.*?)\]", script)
    said = re.findall(r'say(?:Count)?\("([^"]+)"', script)

    assert {f"part.{kind}" for kind in re.findall(r'"(\w+)"', kinds)} <= codes
    assert {"live.one", "live.many", "end.one", "end.many", "end.unseen", *said} <= codes


def test_is_small(browser: Client, demo: None) -> None:
    page = browser.get("/how-it-works").content
    urls = re.findall(rb'(?:src|href)="/static/([^"]+)"', page)
    imported = ["lesson-texts.js", "how-it-works/key-none.json"]
    names = {url.decode() for url in urls} | set(imported)
    files = [Path(str(finders.find(name))) for name in names]

    size = len(page) + sum(file.stat().st_size for file in files)

    assert {"how-it-works.js", "site.css"} <= names
    assert size < MAX_PAGE_BYTES, size


# --- Real requests -------------------------------------------------------------------------


def test_offers_no_requests_where_there_is_no_demo(browser: Client) -> None:
    assert 'id="live"' not in browser.get("/how-it-works").content.decode()
    assert browser.post(TRY, {"do": "begin"}).status_code == 404
    assert browser.get("/how-it-works/live").status_code == 404


def test_offers_requests_on_a_demo_site(browser: Client, demo: None) -> None:
    assert 'id="live"' in browser.get("/how-it-works").content.decode()
    assert browser.get(TRY).status_code == 405


def test_takes_no_request_from_another_site(demo: None) -> None:
    stranger = Client(enforce_csrf_checks=True)

    assert stranger.post(TRY, {"do": "begin"}).status_code == 403


def test_books_once_for_one_key(browser: Client, demo: None) -> None:
    run = begin(browser)

    first, again = send(browser, run), send(browser, run)

    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json()["replayed"], again.json()["replayed"]) == (False, True)
    assert first.json()["booking"] == again.json()["booking"] != ""
    assert re.fullmatch(r"(\w+;dur=[\d.]+(, )?)+", first["Server-Timing"])


def test_refuses_whoever_comes_second_with_a_key_of_their_own(browser: Client, demo: None) -> None:
    run = begin(browser)

    first, second = send(browser, run, 1), send(browser, run, 2)

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json() == {"code": "ALREADY_BOOKED", "replayed": False, "booking": ""}


def test_holds_a_room_of_the_demo_hotel_that_nobody_can_choose(browser: Client, demo: None) -> None:
    run = begin(browser)

    send(browser, run, room="room_A", resourceId="room_A", date="2027-01-01", night="2027-01-01")

    (booking,) = stored()
    assert booking["hotel"] == "demo"
    assert booking["status"] == "pending"
    assert booking["owner"].startswith("guest:demo-")
    ahead = how_it_works.clock.today("UTC") + timedelta(days=how_it_works.FIRST_DAY)
    assert booking["check_in"] >= ahead.isoformat()


@pytest.mark.parametrize("number", [1, 7, 50])
def test_gives_the_room_back_at_the_end_whoever_got_it(
    browser: Client, demo: None, number: int
) -> None:
    run = begin(browser)
    send(browser, run, number)

    ended = end(browser, run)

    assert (ended.status_code, ended.json()) == (200, {"booked": 1})
    assert [booking["status"] for booking in stored()] == ["cancelled"]


def test_says_that_nothing_was_booked(browser: Client, demo: None) -> None:
    assert end(browser, begin(browser)).json() == {"booked": 0}


def test_says_the_same_when_it_is_asked_to_end_again(browser: Client, demo: None) -> None:
    run = begin(browser)
    send(browser, run)

    answers = [end(browser, run) for _ in range(how_it_works.MAX_ENDS + 1)]

    assert [answer.json() for answer in answers[:-1]] == [{"booked": 1}] * how_it_works.MAX_ENDS
    assert answers[-1].status_code == 429


def test_ends_a_run_whose_hold_ran_out(browser: Client, demo: None) -> None:
    run = begin(browser)
    send(browser, run)
    let_hold_end()

    assert end(browser, run).json() == {"booked": 1}


def test_does_not_say_that_a_room_is_free_which_could_not_be_given_back(
    browser: Client, demo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(browser)
    send(browser, run)
    let_hold_end()
    # As if it had run out between the look and the cancelling, which refuses it.
    monkeypatch.setattr(how_it_works, "ACTIVE", (*how_it_works.ACTIVE, "expired"))

    ended = end(browser, run)

    assert (ended.status_code, ended.json()) == (409, {"code": "NOT_CANCELLABLE"})


def test_books_nothing_that_comes_after_the_end(browser: Client, demo: None) -> None:
    run = begin(browser)
    end(browser, run)

    late = send(browser, run)

    assert late.status_code == 429
    assert stored() == []


def test_ends_nobody_elses_booking(browser: Client, demo: None) -> None:
    others = book().content["booking"]["id"]
    another = begin(browser)
    send(browser, another)

    ended = browser.post(TRY, {"do": "end", "run": begin(browser), "booking": others})

    assert ended.json() == {"booked": 0}
    assert [booking["status"] for booking in stored()] == ["confirmed", "pending"]


def test_sends_no_more_than_fifty_requests_in_a_run(browser: Client, demo: None) -> None:
    run = begin(browser)

    answers = [send(browser, run).status_code for _ in range(how_it_works.MAX_REQUESTS + 1)]

    assert answers == [201] * how_it_works.MAX_REQUESTS + [429]
    assert send(browser, begin(browser)).status_code == 201


def test_counts_a_run_as_one_across_a_full_hour(
    browser: Client, demo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(how_it_works, "MAX_REQUESTS", 2)
    with time_machine.travel(datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC), tick=False) as now:
        run = begin(browser)
        before = [send(browser, run).status_code for _ in range(2)]
        now.shift(2)

        after = send(browser, run).status_code

    assert (before, after) == ([201, 201], 429)


@pytest.mark.parametrize("number", ["0", "51", "01", "-1", "one", ""])
def test_knows_no_keys_but_those_of_the_run(browser: Client, demo: None, number: str) -> None:
    assert send(browser, begin(browser), number).status_code == 400
    assert stored() == []


def test_knows_no_run_that_it_did_not_begin(browser: Client, demo: None) -> None:
    run, other = begin(browser), begin(browser)
    forged = f"{run.rpartition(':')[0]}:{other.rpartition(':')[2]}"

    assert send(browser, forged).json() == {"code": "RUN_OVER"}
    assert send(browser, "").json() == {"code": "RUN_OVER"}


def test_knows_no_run_that_is_long_over(
    browser: Client, demo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(browser)
    monkeypatch.setattr(how_it_works, "RUN_MAX_AGE_S", -1)

    assert send(browser, run).json() == {"code": "RUN_OVER"}
    assert end(browser, run).json() == {"booked": 0}

    monkeypatch.setattr(how_it_works, "END_MAX_AGE_S", -1)

    assert end(browser, run).json() == {"code": "RUN_OVER"}


def test_begins_few_runs_a_minute_for_one_address(
    browser: Client, demo: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_THROTTLE = "on"
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)

    answers = [browser.post(TRY, {"do": "begin"}) for _ in range(how_it_works.RUNS.number + 1)]

    assert [answer.status_code for answer in answers] == [200] * how_it_works.RUNS.number + [429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60


def test_does_nothing_that_it_does_not_know(browser: Client, demo: None) -> None:
    run = begin(browser)

    answer = browser.post(TRY, {"do": "confirm", "run": run, "number": 1})

    assert answer.status_code == 400
