"""Every invariant is found broken in a history that is known to break it, and in no good one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.torture.stories import (
    BOOKING,
    START,
    START_S,
    answer,
    attempt,
    body_of,
    booking,
    line,
    operation,
)
from torture import world
from torture.history import Attempt, Operation
from torture.judging import invariants
from torture.judging.answers import judge_answers, judge_hotels
from torture.judging.documents import Versions, judge_fields, judge_slots
from torture.judging.free_slots import free_slots
from torture.judging.ledger import digests_of, judge_ledger, judge_refused_holds
from torture.judging.news import judge_news, news_of
from torture.judging.recount import judge_figures, recount
from torture.judging.violations import Violation, smallest

HOLD = operation(shown=answer(), guest="Ada")
CONFIRM = operation("confirm", number=2, shown=answer(status="confirmed", expiresAt=None))


def broken(violations: list[Violation]) -> set[str]:
    return {violation.invariant for violation in violations}


def judged(
    operations: list[Operation], *documents: dict[str, Any], seen_at_s: float | None = None
) -> set[str]:
    found = {document["_id"]: document for document in documents}
    seen = {BOOKING: seen_at_s} if seen_at_s else {}
    return broken(judge_ledger(operations, found, seen))


def answers_of(*operations: Operation, **changed: Any) -> set[str]:
    named = {
        "may_have_forgotten": lambda *_: False,
        "may_be_silent": lambda _: False,
        **changed,
    }
    return broken(judge_answers(operations, **named))


# --- The ledger -----------------------------------------------------------------------------------


def test_finds_nothing_in_a_hold_that_was_confirmed() -> None:
    document = booking(HOLD, line(2, "confirmed", CONFIRM), status="confirmed")

    assert judged([HOLD, CONFIRM], document) == set()
    assert judge_fields(document) == []
    assert judge_slots([document]) == []


def test_finds_an_acknowledged_booking_that_is_gone() -> None:
    assert judged([HOLD]) == {invariants.PRESENT}


def test_finds_an_acknowledged_change_that_is_gone() -> None:
    assert invariants.PRESENT in judged([HOLD, CONFIRM], booking(HOLD))


def test_finds_a_stored_answer_that_was_not_the_one_told() -> None:
    document = booking(HOLD)
    document["keys"][0]["body"] = body_of(answer(checkOut="2027-02-02", note="another"))

    assert judged([HOLD], document) == {invariants.PRESENT}


def test_finds_two_bookings_of_one_key() -> None:
    second = booking(HOLD, _id="f" * 24)

    assert invariants.ONE_PER_KEY in judged([HOLD], booking(HOLD), second)


def test_finds_a_change_that_was_made_twice() -> None:
    extend = operation("extend", attempt(2, 0), attempt(3, 0), key="more")
    twice = booking(HOLD, line(2, "extended", extend), line(3, "extended", extend))

    assert invariants.ZERO_OR_ONE in judged([HOLD, extend], twice)
    assert judged([HOLD, extend], booking(HOLD, line(2, "extended", extend))) == set()
    assert judged([HOLD, extend], booking(HOLD)) == set()


def test_finds_the_effect_of_an_operation_that_was_refused() -> None:
    refused = operation("extend", attempt(2, 409, "EXTENSION_LIMIT"), key="more")

    found = judged([HOLD, refused], booking(HOLD, line(2, "extended", refused)))

    assert found == {invariants.NOT_REFUSED}


def test_finds_a_refusal_that_came_after_the_keys_own_booking_was_seen() -> None:
    late = operation("hold", attempt(1, 0), attempt(5, 409, "ALREADY_BOOKED"))
    document = booking(operation(shown=answer()))

    assert judged([late], document, seen_at_s=START_S + 3) == {invariants.NOT_REFUSED}
    assert judged([late], document, seen_at_s=START_S + 6) == set()


def test_finds_a_refusal_that_came_after_the_keys_own_change_was_seen() -> None:
    late = operation("extend", attempt(2, 0), attempt(5, 409, "HOLD_EXPIRED"), key="more")
    document = booking(HOLD, line(2, "extended", late))
    found = {
        at_s: broken(
            judge_ledger([HOLD, late], {BOOKING: document}, {digests_of(late)[0]: START_S + at_s})
        )
        for at_s in (3, 6)
    }

    assert found == {3: {invariants.NOT_REFUSED}, 6: set()}


@pytest.mark.parametrize(
    ("wish", "is_other"),
    [
        ({"resourceId": "east_single_1", "categoryId": "east_single", "hold": True}, False),
        ({"checkIn": "2027-02-01", "checkOut": "2027-02-02"}, False),
        ({"rooms": ["east_single_1"]}, False),
        ({"rooms": [{"categoryId": "east_single", "guests": 1}]}, False),
        ({"resourceId": "east_single_2"}, True),
        ({"categoryId": "east_double"}, True),
        ({"checkIn": "2027-01-31"}, True),
        ({"checkOut": "2027-02-03"}, True),
        ({"rooms": ["east_single_2"]}, True),
        ({"rooms": [{"categoryId": "east_single"}, {"categoryId": "east_single"}]}, True),
    ],
)
def test_finds_a_booking_of_something_else_than_was_asked_for(
    wish: dict[str, Any], is_other: bool
) -> None:
    hold = operation(shown=answer())
    hold.wish = wish

    assert judged([hold], booking(hold)) == ({invariants.AS_WISHED} if is_other else set())


def test_finds_a_hold_that_is_a_booking() -> None:
    hold = operation(shown=answer(status="confirmed"))
    hold.wish = {"hold": True}

    assert invariants.AS_WISHED in judged([hold], booking(hold, status="confirmed"))


def test_finds_a_booking_that_no_partner_asked_for() -> None:
    second = booking(HOLD, _id="f" * 24, keys=[])

    assert judged([HOLD], booking(HOLD), second) == {invariants.ONE_PER_KEY}
    assert judged([HOLD], booking(HOLD), {**second, "caller": "guest:one"}) == set()


def test_finds_a_cancellation_that_is_gone_from_a_hold_that_had_expired_and_was_confirmed() -> None:
    cancel = operation("cancel", number=40, key="end", shown=answer(status="cancelled"))
    late = operation("confirm", number=30, shown=answer(status="confirmed", expiresAt=None))
    lines = [line(25, "expired"), line(30, "confirmed", late)]

    found = judged([HOLD, late, cancel], booking(HOLD, *lines, status="confirmed"))

    assert found == {invariants.PRESENT}
    assert judged([HOLD, cancel], booking(HOLD, lines[0], status="expired")) == set()


def test_finds_changes_in_another_order_than_their_own() -> None:
    first = operation("extend", number=2, key="first", shown=answer())
    second = operation("extend", number=4, key="second", shown=answer())
    lines = [line(2, "extended", second), line(4, "extended", first)]

    assert judged([HOLD, first, second], booking(HOLD, *lines)) == {invariants.IN_ORDER}
    assert judged([HOLD, first, second], booking(HOLD, *reversed(lines))) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "cancelled"},
        {"check_in": "2027-01-31"},
        {"rooms": [{"room": "east_single_2", "category": "east_single", "guests": 1}]},
        {"expires_at": START + timedelta(seconds=21)},
        {"guest": {"name": "Eve"}},
    ],
)
def test_finds_a_booking_that_is_not_what_its_operations_made_of_it(wrong: dict[str, Any]) -> None:
    assert judged([HOLD], booking(HOLD, **wrong)) == {invariants.AS_FOLDED}


def test_finds_the_guest_of_a_hold_that_an_earlier_request_took_back() -> None:
    again = operation("hold_again", number=3, key="again", shown=answer(), guest="Grace")
    document = booking(HOLD)
    document["keys"].append({"digest": digests_of(again)[0], "body": body_of(answer())})

    assert judged([HOLD, again], document) == {invariants.AS_FOLDED}
    assert judged([HOLD, again], {**document, "guest": {"name": "Grace"}}) == set()


def test_finds_a_confirmed_booking_that_expired() -> None:
    lines = [line(2, "confirmed", CONFIRM), line(30, "expired")]

    found = judged([HOLD, CONFIRM], booking(HOLD, *lines, status="expired"))

    assert invariants.NOT_EXPIRED in found


@pytest.mark.parametrize(("at_s", "found"), [(19.0, {invariants.LIVE_HOLD}), (20.1, set())])
def test_finds_a_hold_that_expired_before_its_end(at_s: float, found: set[str]) -> None:
    assert judged([HOLD], booking(HOLD, line(at_s, "expired"), status="expired")) == found


@pytest.mark.parametrize(("at_s", "found"), [(18.0, {invariants.LIVE_HOLD}), (20.5, set())])
def test_finds_a_live_hold_that_could_not_be_confirmed(at_s: float, found: set[str]) -> None:
    refused = operation("confirm", attempt(at_s, 409, "HOLD_EXPIRED"))

    assert broken(judge_refused_holds([HOLD, refused], {BOOKING: booking(HOLD)})) == found


@pytest.mark.parametrize(("at_s", "found"), [(28.0, {invariants.LIVE_HOLD}), (30.5, set())])
def test_finds_an_extended_hold_that_could_not_be_confirmed(at_s: float, found: set[str]) -> None:
    until = (START + timedelta(seconds=30)).isoformat()
    extend = operation("extend", number=10, key="more", shown=answer(expiresAt=until))
    refused = operation("confirm", attempt(at_s, 409, "HOLD_EXPIRED"))
    document = booking(HOLD, line(10, "extended", extend))

    assert broken(judge_refused_holds([HOLD, extend, refused], {BOOKING: document})) == found


def test_finds_an_answer_about_another_callers_booking() -> None:
    assert judged([HOLD], booking(HOLD, caller="client:two")) == {invariants.OTHERS}


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "is_broken"),
    [
        (500, "", True),
        (503, "", True),
        (502, "", True),
        (503, "TRY_AGAIN", False),
        (409, "", False),
    ],
)
def test_finds_every_5xx_but_the_one_that_is_promised(
    status: int, code: str, is_broken: bool
) -> None:
    assert (invariants.NO_ERRORS in answers_of(operation("hold", attempt(1, status, code)))) == (
        is_broken
    )


def test_finds_a_success_that_changes() -> None:
    same = operation("hold", attempt(1, body=b"a"), attempt(2, body=b"a"))
    changed = operation("hold", attempt(1, body=b"a"), attempt(2, body=b"b"))
    refused = operation("hold", attempt(1, body=b"a"), attempt(2, 409, "ALREADY_BOOKED"))

    assert answers_of(same) == set()
    assert answers_of(changed) == answers_of(refused) == {invariants.SAME_ANSWER}


@pytest.mark.parametrize(
    "between", [attempt(2, body=b"a"), attempt(2, 409, "IDEMPOTENCY_IN_PROGRESS", body=b"c")]
)
@pytest.mark.parametrize("last", [attempt(3, body=b"b"), attempt(3, 409, "SOLD_OUT", body=b"b")])
def test_finds_an_answer_that_changes_after_others_in_between(
    between: Attempt, last: Attempt
) -> None:
    changed = operation("hold", attempt(1, body=b"a"), between, last)
    refused = operation("hold", attempt(1, 409, "ALREADY_BOOKED", body=b"a"), between, last)

    assert answers_of(changed) == answers_of(refused) == {invariants.SAME_ANSWER}


def test_finds_a_booking_at_a_hotel_that_a_token_may_not_use() -> None:
    assert broken(judge_hotels([HOLD], {"client:one": "west"})) == {invariants.OTHERS}
    assert judge_hotels([HOLD], {"client:one": "east"}) == []
    assert judge_hotels([HOLD], {"client:two": "west"}) == []


@pytest.mark.parametrize("later", [attempt(2, 409, "SOLD_OUT", body=b"b"), attempt(2, body=b"b")])
def test_lets_a_refusal_change_only_where_redis_forgot_it(later: Attempt) -> None:
    other = operation("hold", attempt(1, 409, "ALREADY_BOOKED", body=b"a"), later)

    assert answers_of(other) == {invariants.SAME_ANSWER}
    assert answers_of(other, may_have_forgotten=lambda *_: True) == set()


def test_lets_a_refusal_change_that_was_said_not_to_be_kept() -> None:
    refused = attempt(1, 409, "ALREADY_BOOKED", body=b"a")
    other = operation("hold", refused, attempt(2, body=b"b"))
    assert answers_of(other) == {invariants.SAME_ANSWER}

    refused.is_kept = False

    assert answers_of(other) == set()


def test_lets_a_refusal_change_only_from_before_the_fault_to_after_it() -> None:
    """Redis lost its memory while the second attempt was under way."""
    other = operation(
        "hold",
        attempt(1, 409, "ALREADY_BOOKED", body=b"a"),
        attempt(3, 409, "ALREADY_BOOKED", body=b"b"),
        attempt(5, body=b"c"),
    )

    def between(from_s: float, to_s: float) -> bool:
        return from_s < START_S + 2 < to_s

    assert answers_of(other, may_have_forgotten=between) == {invariants.SAME_ANSWER}
    other.attempts.pop()
    assert answers_of(other, may_have_forgotten=between) == set()


def test_lets_attempts_at_the_same_time_be_told_different_things() -> None:
    twins = operation("hold", attempt(1, body=b"a"), attempt(1.05, 409, "RESOURCE_LOCKED"))

    assert answers_of(twins) == set()


def test_finds_a_process_that_lives_and_does_not_answer() -> None:
    silent = operation("hold", attempt(1, 0))
    silent.attempts[0].ended_s += 12

    assert answers_of(silent) == {invariants.ON_TIME}
    assert answers_of(silent, may_be_silent=lambda _: True) == set()


# --- Documents ------------------------------------------------------------------------------------


def test_finds_a_slot_that_two_active_bookings_have() -> None:
    other = booking(HOLD, _id="f" * 24)

    assert broken(judge_slots([booking(HOLD), other])) == {invariants.ONE_PER_SLOT}
    assert judge_slots([booking(HOLD), {**other, "status": "expired"}]) == []
    assert judge_slots([booking(HOLD), {**other, "hotel": "west"}]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": []},
        {"slots": ["2027-02-01|east_single_1"] * 2},
        {"check_out": "2027-02-03"},
        {"check_out": "2027-02-01"},
        {"guests": 2},
        {"price": {"total": 1, "nights": [{"date": "2027-02-01", "amount": 100}]}},
        {"version": 0},
        {"rooms": [{"room": "east_single_2", "category": "east_single", "guests": 1}]},
    ],
)
def test_finds_fields_that_disagree(wrong: dict[str, Any]) -> None:
    assert broken(judge_fields(booking(HOLD, **wrong))) == {invariants.FIELDS_AGREE}


def test_finds_a_status_that_the_history_does_not_give() -> None:
    document = booking(HOLD, line(30, "expired"), status="pending")

    assert broken(judge_fields(document)) == {invariants.FIELDS_AGREE}


def test_finds_a_change_that_did_not_move_the_version() -> None:
    versions = Versions()
    assert versions.look(booking(HOLD)) == []
    assert versions.look(booking(HOLD)) == []
    assert versions.look(booking(HOLD, outbox=["passed on"])) == []

    assert broken(versions.look(booking(HOLD, guest={"name": "Eve"}))) == {invariants.VERSION_MOVES}


def test_finds_a_booking_that_went_back() -> None:
    versions = Versions()
    versions.look(booking(HOLD, version=3))

    assert broken(versions.look(booking(HOLD, version=2))) == {invariants.VERSION_MOVES}


# --- Slots and figures ----------------------------------------------------------------------------


def test_knows_the_slots_that_no_active_booking_has() -> None:
    slot = ("east_single_1", world.night(0))
    held = booking(HOLD, slots=[f"{slot[1]}|{slot[0]}"])

    assert len(free_slots([])) == len(world.ROOMS) * world.NIGHTS
    assert slot not in free_slots([held])
    assert slot in free_slots([{**held, "status": "expired"}])


def test_finds_figures_that_a_recount_does_not_give() -> None:
    night = world.night(0)
    sold = {
        "status": "confirmed",
        "slots": [f"{night}|east_single_1", f"{night}|east_single_2"],
        "price": {"total": 200, "nights": [{"date": night, "amount": 200}]},
    }
    documents = [
        booking(HOLD, **sold),
        booking(HOLD, **{**sold, "kind": "block", "slots": [f"{night}|east_single_3"]}),
        booking(HOLD, **{**sold, "status": "cancelled"}),
    ]
    right = recount(documents)

    assert right[f"east {night}"] == [2, 1, 200]
    assert judge_figures(right, documents) == []
    assert broken(judge_figures({**right, f"east {night}": [3, 1, 200]}, documents)) == {
        invariants.RECOUNTED
    }


# --- News -----------------------------------------------------------------------------------------


def hook(event_id: str, **body: Any) -> dict[str, Any]:
    return {"id": event_id, "to": "one", "body": body}


def heard(*hooks: dict[str, Any]) -> set[str]:
    lines = [line(2, "confirmed", CONFIRM), line(3, "cancelled")]
    documents = {BOOKING: booking(HOLD, *lines, status="cancelled")}
    return broken(judge_news(hooks, documents, ["one"]))


CONFIRMED, CANCELLED = hook(f"{BOOKING}-2-confirmed"), hook(f"{BOOKING}-3-cancelled")


def test_finds_news_that_never_came_or_came_in_another_order() -> None:
    assert heard(CONFIRMED, CANCELLED) == heard(CONFIRMED, CANCELLED, CONFIRMED) == set()
    assert heard(CONFIRMED) == heard() == {invariants.DELIVERED}
    assert heard(CANCELLED, CONFIRMED) == {invariants.DELIVERED}


def test_finds_one_id_with_two_bodies() -> None:
    assert heard(CONFIRMED, hook(CONFIRMED["id"], other=1), CANCELLED) == {invariants.DELIVERED}


def test_finds_news_of_no_change_and_news_that_came_twice_under_two_ids() -> None:
    twice, unborn = hook(f"{BOOKING}-4-cancelled"), hook(f"{'f' * 24}-1-confirmed")

    assert heard(CONFIRMED, CANCELLED, twice) == {invariants.DELIVERED}
    assert heard(CONFIRMED, CANCELLED, unborn) == {invariants.DELIVERED}


def test_finds_news_that_came_to_another_partner() -> None:
    assert heard(CONFIRMED, CANCELLED, {**CANCELLED, "to": "two"}) == {invariants.OTHERS}


def test_expects_news_of_a_booking_that_was_never_a_hold() -> None:
    assert news_of(booking(HOLD, expires_at=None)) == [f"{BOOKING}-1-confirmed"]
    assert news_of(booking(HOLD)) == []


# --- Stories --------------------------------------------------------------------------------------


def test_tells_the_shortest_story_of_each_invariant() -> None:
    long, short = Violation("a", "long story"), Violation("a", "short")

    assert smallest([long, short, Violation("b", "other")]) == {
        "a": (2, short),
        "b": (1, Violation("b", "other")),
    }
