from __future__ import annotations

import pytest

from bookings import errors
from bookings.errors import Refusal
from bookings.web.messages import SENTENCES, explain

CODES = sorted({Refusal.code, *(refusal.code for refusal in Refusal.__subclasses__())})


@pytest.mark.parametrize("code", CODES)
def test_has_a_sentence_for_every_code(code: str) -> None:
    sentence = explain(code)

    assert sentence.endswith(".")
    assert code not in sentence
    assert "Idempotency" not in sentence


def test_tells_apart_what_a_person_should_do_next() -> None:
    told = {
        explain(refusal.code)
        for refusal in (
            errors.IdempotencyInProgress,
            errors.ResourceLocked,
            errors.AlreadyBooked,
            errors.HoldExpired,
            errors.PriceChanged,
            errors.Throttled,
            errors.TryAgain,
        )
    }

    assert len(told) == 7


def test_adds_what_is_wrong_with_each_field() -> None:
    told = explain("VALIDATION_ERROR", [{"field": "date", "message": "This day is over."}])

    assert told == f"{SENTENCES['VALIDATION_ERROR']} This day is over."


def test_speaks_of_cancelling_where_something_is_cancelled() -> None:
    assert "Book" in explain("TRY_AGAIN")
    assert "Book" not in explain("TRY_AGAIN", cancelling=True)
