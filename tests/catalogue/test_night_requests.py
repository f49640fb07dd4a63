"""Permitted wishes for the calendar, and the answers to all others; nothing is read for them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from bookings.catalogue.nights import plan_nights
from bookings.models import validate_date
from bookings.refusals import Fault, ValidationFailed


def faults(**wish: Any) -> list[Fault]:
    """Returns the faults of a wish for a week of nights, with the given changes."""
    week = {"start": date(2027, 3, 1), "end": date(2027, 3, 7)}
    with pytest.raises(ValidationFailed) as caught:
        plan_nights(hotel_id="inn", **{**week, **wish})
    return caught.value.faults


@pytest.mark.parametrize(
    ("wish", "field", "sentence"),
    [
        ({"end": date(2027, 2, 28)}, "end", "not before the start"),
        ({"end": date(2027, 2, 28), "exclude_end": True}, "end", "not before the start"),
        ({"end": date(2027, 3, 1), "exclude_end": True}, "end", "or include the end"),
        ({"end": date(2029, 3, 1)}, "end", "at most 731 nights"),
        ({"end": date(2029, 3, 2), "exclude_end": True}, "end", "at most 731 nights"),
        ({"start": date.min, "end": date.max}, "end", "at most 731 nights"),
        ({"weekdays": []}, "weekdays", "Choose some of the weekdays mon, tue"),
        ({"weekdays": ["mon", "noday"]}, "weekdays", "Choose some of the weekdays mon, tue"),
        ({"end": date(2027, 3, 5), "weekdays": ["sat"]}, "weekdays", "between start and end"),
        ({"price": -1}, "price", "from 0 to 1000000000"),
        ({"price": 1_000_000_001}, "price", "from 0 to 1000000000"),
    ],
)
def test_refuses_with_one_sentence(wish: dict[str, Any], field: str, sentence: str) -> None:
    (fault,) = faults(**wish)

    assert fault.field == field
    assert sentence in fault.message
    assert fault.message.count(". ") == 0
    assert fault.message.endswith(".")


def test_names_every_fault_at_once() -> None:
    found = faults(end=date(2027, 2, 28), weekdays=[], price=-1)

    assert [fault.field for fault in found] == ["end", "weekdays", "price"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": "2027-02-29"}, "Give --start an existing date, written YYYY-MM-DD."),
        ({"end": "7.3.2027"}, "Give --end an existing date, written YYYY-MM-DD."),
        ({"price": "12.50"}, "Give --price a whole number of minor units (cents)."),
        ({"weekdays": "monday"}, "Choose some of the weekdays mon, tue, wed, thu, fri, sat, sun."),
        ({"weekdays": ""}, "Choose some of the weekdays mon, tue, wed, thu, fri, sat, sun."),
        ({"end": "2026-01-01"}, "Choose an end that is not before the start."),
    ],
)
def test_says_on_the_command_line_what_to_mend(changes: dict[str, str], sentence: str) -> None:
    options = {"hotel": "inn", "start": "2027-03-01", "end": "2027-03-07", **changes}

    with pytest.raises(CommandError) as caught:
        call_command("generate_nights", **options)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "text", ["", "2027-02-29", "2027-13-01", "20270301", "2027-W09-1", "2027-3-1", "soon"]
)
def test_takes_no_date_that_does_not_exist(text: str) -> None:
    with pytest.raises(ValidationError, match="a date that exists"):
        validate_date(text)


def test_takes_a_leap_day() -> None:
    validate_date("2028-02-29")
