"""An account that is deleted while its owner books, confirms, moves or logs in."""

from __future__ import annotations

import pytest

from bookings.domain.callers import caller_of_user
from tests.calls import book, confirm
from tests.stays.crossings.ends import names_no_account
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import GUEST, delete, hold, log_in, move, new_account, new_key

pytestmark = pytest.mark.mongo


def test_books_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada, key = new_account(), new_key()
        return lambda: book(key, caller=caller_of_user(ada.pk)), lambda: delete(ada)

    race.run(
        prepare,
        {("ok", "gone", "A confirmed: created"), ("NOT_AUTHENTICATED", "gone")},
        check=names_no_account,
    )


def test_is_confirmed_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada = new_account()
        caller = caller_of_user(ada.pk)
        held = hold(caller=caller)
        return lambda: confirm(held, held.key, actor=caller), lambda: delete(ada)

    race.run(
        prepare,
        {
            ("ok", "gone", "A confirmed: created confirmed"),
            ("NOT_AUTHENTICATED", "gone", "A pending: created"),
            # It came when the hold already had another owner.
            ("NOT_FOUND", "gone", "A pending: created"),
        },
        check=names_no_account,
    )


def test_is_moved_while_the_account_of_staff_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, desk = book(new_key()), new_account()
        return lambda: move(made, "B", actor=caller_of_user(desk.pk)), lambda: delete(desk)

    race.run(
        prepare,
        {
            ("ok", "gone", "B confirmed: created moved"),
            ("NOT_AUTHENTICATED", "gone", "A confirmed: created"),
        },
        check=names_no_account,
    )


def test_books_as_a_guest_who_logs_in_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada = new_account()
        book(new_key(), caller=GUEST)
        return lambda: log_in(ada), lambda: delete(ada)

    race.run(
        prepare,
        {
            ("1 adopted", "gone", "A confirmed: created adopted"),
            ("NOT_AUTHENTICATED", "gone", "A confirmed: created"),
        },
        check=names_no_account,
    )
