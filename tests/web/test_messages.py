from __future__ import annotations

import pytest
from django.utils.functional import Promise

from bookings import refusals
from bookings.refusals import Refusal
from bookings.web.messages import (
    CANCEL_SENTENCES,
    CONFIRM_SENTENCES,
    EXTEND_SENTENCES,
    FORM_SENTENCES,
    HOLD_SENTENCES,
    explain,
    title_of,
)

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
            refusals.IdempotencyInProgress,
            refusals.ResourceLocked,
            refusals.AlreadyBooked,
            refusals.HoldExpired,
            refusals.PriceChanged,
            refusals.Throttled,
            refusals.TryAgain,
        )
    }

    assert len(told) == 7


@pytest.mark.parametrize(
    "instead",
    [FORM_SENTENCES, HOLD_SENTENCES, CONFIRM_SENTENCES, EXTEND_SENTENCES, CANCEL_SENTENCES],
)
def test_has_other_words_for_what_is_being_done(instead: dict[str, Promise]) -> None:
    for code in instead:
        assert explain(code, instead=instead) != explain(code)
    assert explain("THROTTLED", instead=instead) == explain("THROTTLED")


def test_has_a_heading_for_every_page_that_only_refuses() -> None:
    for code in CODES:
        assert title_of(code)
