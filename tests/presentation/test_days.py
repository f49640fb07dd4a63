"""Days and moments in words."""

from datetime import UTC, date, datetime

import pytest
from django.utils import translation

from bookings.presentation import days, moments

MONDAY = date(2026, 11, 30)


def test_names_the_weekday_and_the_month() -> None:
    assert days.day_text(MONDAY) == days.day_text("2026-11-30") == "Mon 30 Nov 2026"
    assert days.short_day_text(MONDAY) == "Mon 30 Nov"


@pytest.mark.parametrize(
    ("check_out", "text"),
    [
        ("2026-12-02", "Mon 30 Nov – Wed 2 Dec 2026"),
        ("2027-01-02", "Mon 30 Nov 2026 – Sat 2 Jan 2027"),
    ],
)
def test_names_the_year_of_a_stay_once_if_it_has_one(check_out: str, text: str) -> None:
    assert days.stay_text(MONDAY, check_out) == text


def test_writes_the_days_of_a_services_sentence_in_words() -> None:
    sentence = "Not for sale on 2026-11-30, 2026-13-99; room 12026-11-30."

    assert days.with_days_in_words(sentence) == (
        "Not for sale on Mon 30 Nov 2026, 2026-13-99; room 12026-11-30."
    )


def test_shows_a_moment_by_the_clock_of_the_hotel() -> None:
    evening = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)

    assert moments.moment_text(evening, "Europe/Vienna") == "Tue 1 Dec 2026, 00:30"
    with translation.override("de"):
        assert (
            moments.moment_text(evening, "Europe/Vienna")
            == "1. Dezember 2026, 00:30\N{NO-BREAK SPACE}Uhr"
        )
