"""The lesson: its words when answers are lost, and when a recording does not load."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.journeys.visitor import Visitor, statuses

# Without JavaScript there is neither.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("javascript", [True])]

MODES = {
    "one": "One key, as if clicked many times",
    "many": "Different keys, as if many people clicked",
}

Rule = Callable[[Route], None]


def drop(route: Route) -> None:
    """The request arrives and is carried out; its answer never comes back."""
    route.fetch()
    route.abort("connectionreset")


def cut(route: Route) -> None:
    """The request never arrives."""
    route.abort("connectionreset")


def busy(route: Route) -> None:
    route.fulfill(status=429, json={"code": "THROTTLED"})


def away(route: Route) -> None:
    """A proxy's answer while its server is away."""
    route.fulfill(status=503, content_type="text/html", body="<h1>Away</h1>")


def treat(visitor: Visitor, *rules: Rule, ends: tuple[Rule, ...] = ()) -> None:
    """One rule for each of the first requests that book, and for those that end the run."""
    left = {"book": list(rules), "end": list(ends)}

    def handle(route: Route) -> None:
        (do,) = re.findall(r'name="do"\s+(\w+)', route.request.post_data or "")
        rule = left[do].pop(0) if left.get(do) else Route.fallback
        rule(route)

    visitor.page.route("**/how-it-works/try", handle)
    for complaint in ("409", "429", "503", "ERR_CONNECTION_RESET"):
        visitor.expect_complaint(complaint)


def make_pauses_short(visitor: Visitor) -> None:
    visitor.page.add_init_script(
        "const wait = window.setTimeout; window.setTimeout = (act) => wait(act, 1);"
    )


def fire(visitor: Visitor, number: int, mode: str) -> None:
    visitor.page.get_by_label("Requests (1 to 50)").fill(str(number))
    visitor.page.get_by_label("Keys").select_option(MODES[mode])
    visitor.press("Send requests")


def expect_news(visitor: Visitor, text: str) -> None:
    expect(visitor.page.locator("#live-news")).to_have_text(text)


def expect_answers(visitor: Visitor, answers: list[str]) -> None:
    """The chart and the table say the same."""
    texts = visitor.page.locator("#live-chart svg .answer text:first-child").all_text_contents()
    assert sorted(text.partition(". ")[2] for text in texts) == sorted(answers)
    cells = visitor.page.locator("#live-chart tbody td:nth-child(2)").all_text_contents()
    assert sorted(cells) == sorted(answers)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_says_that_it_was_booked_when_that_answer_alone_was_lost(
    visitor: Visitor, mode: str
) -> None:
    visitor.go("/how-it-works")
    treat(visitor, drop)

    fire(visitor, 1, mode)

    whose = {"one": "with one key", "many": "with a key of its own"}[mode]
    expect_news(
        visitor,
        f"One request {whose}: 1 got no answer. The server did book once, but its answer never "
        "arrived. The room has been released.",
    )
    expect_answers(visitor, ["no answer"])
    assert statuses() == ["cancelled"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_says_that_none_was_booked_once_the_server_has_said_so(visitor: Visitor, mode: str) -> None:
    visitor.go("/how-it-works")
    treat(visitor, cut, cut)

    fire(visitor, 2, mode)

    expect_news(visitor, re.compile("2 got no answer. The server booked none of them"))
    expect_answers(visitor, ["no answer"] * 2)
    assert statuses() == []


def test_counts_apart_what_was_lost_turned_away_and_not_answered(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    treat(visitor, busy, busy, away, cut, cut, cut)

    fire(visitor, 7, "one")

    expect_news(
        visitor,
        "7 requests with one key: 1 booked, 2 exceeded the request limit, 1 failed "
        "on the server, 3 got no answer. Booked once. The room has been released.",
    )
    expect_answers(
        visitor,
        ["201 booked", *["429 too many requests"] * 2, "503 could not answer", *["no answer"] * 3],
    )
    assert statuses() == ["cancelled"]


@pytest.mark.slow
def test_gives_the_room_back_as_soon_as_the_server_can_be_reached(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    treat(visitor, ends=(cut, away, drop))

    fire(visitor, 1, "one")

    expect_news(visitor, re.compile("1 booked. Asking the server what happened to them"))
    expect_news(visitor, re.compile("Booked once. The room has been released.$"))
    assert statuses() == ["cancelled"]


def test_does_not_know_what_the_server_never_says(visitor: Visitor) -> None:
    make_pauses_short(visitor)
    visitor.go("/how-it-works")
    treat(visitor, drop, ends=(cut,) * 20)

    fire(visitor, 1, "one")

    expect_news(visitor, re.compile("1 got no answer. The server doesn’t say what happened"))
    assert statuses() == ["pending"]


def test_says_so_when_no_run_can_be_begun(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    visitor.lose_the_network()

    fire(visitor, 1, "one")

    expect_news(visitor, re.compile("The server couldn’t start a run."))


def test_leaves_nothing_of_another_recording_when_one_does_not_load(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    page = visitor.page
    page.get_by_label("Unique index on room and night").uncheck()
    page.get_by_label("Unique index on the key").uncheck()
    page.get_by_label("Claim on the key").uncheck()
    visitor.press("Move client 1")
    expect(page.locator("#log li")).not_to_have_count(0)
    page.route("**/room-none*.json", cut)
    visitor.expect_complaint("ERR_CONNECTION_RESET")

    page.get_by_label("Two people want one room").check()

    visitor.expect_text("We couldn’t load the recording.")
    for gone in ("#stage", "#controls", "#guards"):
        expect(page.locator(gone)).to_be_hidden()
    expect(page.get_by_role("button", name="Show an order that breaks it")).to_be_hidden()
    expect(page.locator("#log li")).to_have_count(0)
    expect(page.locator("#drawing svg > *")).to_have_count(0)


def test_tries_again_to_load_a_recording(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    page = visitor.page
    page.route("**/confirm-none*.json", cut)
    visitor.expect_complaint("ERR_CONNECTION_RESET")
    page.get_by_label("A hold is confirmed").check()
    visitor.expect_text("We couldn’t load the recording.")
    page.unroute_all()

    page.get_by_role("button", name="Try again").press("Enter")

    expect(page.locator("#drawing")).to_be_focused()
    expect(page.locator("#ways")).to_have_text(
        "With these guards, every order of the steps keeps every promise: all lead to the same "
        "outcome."
    )
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    visitor.press("Move client 1")
    expect(page.locator("#log li").first).to_contain_text("confirms its hold")


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("A hold is confirmed", "Every order leads to the same outcome, and it breaks"),
        ("Two people want one room", "One of 3 possible outcomes breaks a promise."),
    ],
)
def test_counts_one_end_as_one(visitor: Visitor, scenario: str, said: str) -> None:
    visitor.go("/how-it-works")
    visitor.page.get_by_label(scenario).check()

    visitor.page.get_by_label("Unique index on room and night").uncheck()

    expect(visitor.page.locator("#ways")).to_contain_text(said)
