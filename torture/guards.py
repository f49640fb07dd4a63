"""Guards that a run can switch off (`WITHOUT=`), to see what then catches the damage.

Each switch replaces one thing in a process of the site, or drops an index of the run's own
database. `faults` are those in which the guard matters most, and `caught_by` the invariants
of which one must break without it. Some damage needs two processes to meet within a millisecond,
which runs seldom see: then `tests` play that moment, and one of them must fail. An economy guard
decides nothing: without it nothing breaks, but `counter` rises by `factor` at least.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from torture import counting
from torture.judging import invariants


class UnknownGuard(Exception):
    """No guard has this name."""


@dataclass(frozen=True)
class Guard:
    """`what` finishes the sentence *it …*. `switch` runs in each process of the site, and
    `in_database` once, before it starts."""

    name: str
    what: str
    faults: tuple[str, ...] = ("none",)
    caught_by: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    counter: str = ""
    factor: float = 0.0
    switch: Callable[[], None] = lambda: None
    in_database: Callable[[Any], None] = lambda _: None

    @property
    def is_safety(self) -> bool:
        return bool(self.caught_by)


# --- Safety ---------------------------------------------------------------------------------------


def _set(path: str, value: Any) -> None:
    """Replaces what the dotted path names, in a module or a class."""
    owner_path, _, name = path.rpartition(".")
    owner = pkgutil.resolve_name(owner_path)
    assert hasattr(owner, name), path
    setattr(owner, name, value)


def _get(path: str) -> Any:
    return pkgutil.resolve_name(path)


def _drop(index: str) -> Callable[[Any], None]:
    return lambda database: database["bookings"].drop_index(index)


def _change_script(path: str, old: str, new: str) -> None:
    """Replaces a part of a Lua script that a module keeps as text."""
    text = _get(path)
    assert old in text, f"{path} has no {old}"
    _set(path, text.replace(old, new))


def _change_lock_script(text_of: Callable[[str], str]) -> None:
    kept = _get("locks.redis_lock.script")
    changed = text_of(kept("acquire"))
    _set("locks.redis_lock.script", lambda name: changed if name == "acquire" else kept(name))


def _no_compare() -> None:
    kept = _get("bookings.stays.writing.versioned._versioned")
    as_it_is = _get("bookings.stays.writing.versioned.AS_IT_IS")

    def blindly(write: Any) -> Any:
        condition, update = kept(write)
        return (condition if write.seen == as_it_is else write.condition), update

    _set("bookings.stays.writing.versioned._versioned", blindly)


def _no_majority() -> None:
    from pymongo import WriteConcern

    _set("bookings.infrastructure.connections.DURABLE", WriteConcern(1))
    _set("bookings.infrastructure.mongodb.transactions.DURABLE", WriteConcern(1))


def _no_transactions() -> None:
    _set(
        "pymongo.client_session.ClientSession.with_transaction",
        lambda session, callback, **_: callback(session),
    )


def _no_look_after_conflict() -> None:
    _set("bookings.stays.writing.new_bookings._resolve_conflict", lambda *_, **__: "taken")


def _no_line_of_a_key() -> None:
    _set("bookings.stays.keyed_change._acknowledged", lambda *_: None)


def _no_owner_at_finish() -> None:
    _change_script("idempotency.claims._FINISH", "record[2] ~= ARGV[1]", "false")
    _change_script("idempotency.claims._ABANDON", "and record[2] == ARGV[1]", "")


def _no_look_beside_a_refusal() -> None:
    told = "return {state, answer[1],"
    _change_script("idempotency.claims._CLAIM", told, "return {state, 'success',")


def _no_lease() -> None:
    expiry = "redis.call('PEXPIRE', KEYS[1], ARGV[2])"
    _change_script("idempotency.claims._CLAIM", expiry, "")


def _no_lock_expiry() -> None:
    _change_lock_script(lambda text: text.replace(", 'PX', ARGV[2]", ""))


def _no_end_of_holds() -> None:
    _set("bookings.stays.writing.expiry.DEAD", {"status": "pending"})


def _no_caller_in_keys() -> None:
    kept = _get("idempotency.keys.digest_of")

    def for_anyone(*, caller: str, operation: str, target: str, key: str) -> Any:
        return kept(caller="anyone", operation=operation, target=target, key=key)

    _set("idempotency.keys.digest_of", for_anyone)


def _no_owner_of_bookings() -> None:
    kept = _get("bookings.stays.queries.find_booking")
    _set("bookings.stays.queries.find_booking", lambda booking_id, **_: kept(booking_id))


def _no_hotels_of_tokens() -> None:
    kept = _get("bookings.people.tokens.Caller")
    _set(
        "bookings.people.tokens.Caller",
        lambda *args, **named: kept(*args, **{**named, "hotels": None}),
    )


def _no_age_of_caches() -> None:
    _set("bookings.infrastructure.recent_reads.MAX_AGE_S", 1e9)


def _no_outbox() -> None:
    _set("bookings.stays.notices.notices_of", lambda *_, **__: ())


def _no_time_limits() -> None:
    # The limits themselves stay as they are: the site does not start with others.
    _set("pymongo.timeout", lambda _: nullcontext())
    _set("bookings.infrastructure.deadlines.Deadline.check", lambda _: None)


# --- Economy --------------------------------------------------------------------------------------

ALWAYS_MINE = """
for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
return 0
"""


def _no_lock() -> None:
    _change_lock_script(lambda _: ALWAYS_MINE)


def _no_claim() -> None:
    # What was answered is still remembered: only twins that are under way are let through.
    _change_script("idempotency.claims._CLAIM", "if state == 'in_progress' then", "if false then")


def _no_breaker() -> None:
    _set("locks.connection.Breaker._open", lambda _: None)


def _no_memory_of_sold_slots() -> None:
    _set("bookings.stays.lately_sold.any_of", lambda _: False)


def _no_caches() -> None:
    _set("bookings.infrastructure.recent_reads.MAX_AGE_S", 0.0)


CONFORMANCE = "tests/idempotency/test_conformance.py::TestOwnAnswers"

GUARDS = {
    guard.name: guard
    for guard in (
        Guard(
            "slot_index",
            "lets one active booking have a slot",
            caught_by=(invariants.ONE_PER_SLOT,),
            in_database=_drop("one_active_booking_per_slot"),
        ),
        Guard(
            "key_index",
            "lets one booking have a key",
            faults=("redis.emptied", "redis.killed", "site.web_process_killed"),
            caught_by=(invariants.ONE_PER_KEY, invariants.SAME_ANSWER),
            in_database=_drop("one_booking_per_key"),
        ),
        Guard(
            "compare_and_set",
            "writes a change only if the booking is as it was read",
            caught_by=(
                invariants.VERSION_MOVES,
                invariants.FIELDS_AGREE,
                invariants.AS_FOLDED,
                invariants.NOT_EXPIRED,
            ),
            switch=_no_compare,
        ),
        Guard(
            "majority",
            "acknowledges only what a majority has",
            faults=("mongodb",),
            caught_by=(invariants.PRESENT, invariants.AS_FOLDED, invariants.SAME_ANSWER),
            switch=_no_majority,
        ),
        Guard(
            "transaction",
            "decides in one snapshot, and writes all of a decision or none of it",
            faults=("points", "mongodb"),
            caught_by=(
                invariants.ZERO_OR_ONE,
                invariants.NOT_REFUSED,
                invariants.LIVE_HOLD,
                invariants.PRESENT,
            ),
            tests=("tests/stays/test_bulk_holds.py::test_lets_many_at_one_moment_hold_no_more",),
            switch=_no_transactions,
        ),
        Guard(
            "look_after_conflict",
            "looks for the key's own booking when an index refuses",
            faults=("redis.emptied", "redis.killed", "site.web_process_killed"),
            caught_by=(invariants.NOT_REFUSED,),
            switch=_no_look_after_conflict,
        ),
        Guard(
            "line_of_a_key",
            "finds the change that a key has made before it acts again",
            faults=("redis.emptied", "redis.killed"),
            caught_by=(invariants.ZERO_OR_ONE, invariants.FIELDS_AGREE, invariants.SAME_ANSWER),
            switch=_no_line_of_a_key,
        ),
        Guard(
            "owner_at_finish",
            "lets only the owner of a claim store a refusal or abandon",
            faults=("points.web_paused_before_refusal", "site.web_process_stopped"),
            caught_by=(invariants.SAME_ANSWER, invariants.NOT_REFUSED),
            tests=(f"{CONFORMANCE}::test_keeps_the_claim_of_an_heir_from_a_lost_owner",),
            switch=_no_owner_at_finish,
        ),
        Guard(
            "look_beside_a_refusal",
            "looks for a success before it repeats a refusal",
            faults=("redis", "site"),
            caught_by=(invariants.SAME_ANSWER, invariants.NOT_REFUSED),
            tests=(f"{CONFORMANCE}::test_replaces_it_even_if_the_owner_dies_then",),
            switch=_no_look_beside_a_refusal,
        ),
        Guard(
            "lease",
            "ends the claim of a process that died",
            faults=("site.web_process_killed",),
            caught_by=(invariants.NOT_STUCK,),
            switch=_no_lease,
        ),
        Guard(
            "lock_expiry",
            "ends the lock of a process that died",
            faults=("site.web_process_killed",),
            caught_by=(invariants.NOT_STUCK,),
            switch=_no_lock_expiry,
        ),
        Guard(
            "end_of_holds",
            "expires no hold before its end",
            caught_by=(invariants.LIVE_HOLD, invariants.NOT_EXPIRED),
            switch=_no_end_of_holds,
        ),
        Guard(
            "caller_in_keys",
            "keeps the keys of callers apart",
            caught_by=(invariants.OTHERS, invariants.PRESENT, invariants.NOT_REFUSED),
            switch=_no_caller_in_keys,
        ),
        Guard(
            "owner_of_bookings",
            "shows a booking to its owner alone",
            caught_by=(invariants.NO_ERRORS, invariants.OTHERS),
            switch=_no_owner_of_bookings,
        ),
        Guard(
            "hotels_of_tokens",
            "keeps a token to its hotels",
            caught_by=(invariants.OTHERS,),
            switch=_no_hotels_of_tokens,
        ),
        Guard(
            "age_of_caches",
            "reads again what is older than two seconds",
            caught_by=(invariants.FRESH,),
            switch=_no_age_of_caches,
        ),
        Guard(
            "outbox",
            "writes the news with the change",
            caught_by=(invariants.DELIVERED,),
            switch=_no_outbox,
        ),
        Guard(
            "time_limits",
            "answers within ten seconds, whatever MongoDB does",
            faults=("mongodb.primary_cut_from_site", "mongodb.primary_stopped"),
            caught_by=(invariants.ON_TIME,),
            switch=_no_time_limits,
        ),
        Guard(
            "lock",
            "spares rivals a wasted write",
            counter=counting.WASTED_WRITES,
            factor=1.2,
            switch=_no_lock,
        ),
        Guard(
            "claim",
            "spares twins a wasted write",
            counter=counting.WASTED_WRITES,
            factor=1.2,
            switch=_no_claim,
        ),
        Guard(
            "breaker",
            "spares requests the time-out of a Redis that is down",
            faults=("redis.frozen",),
            counter=counting.CLAIM_S,
            factor=2.0,
            switch=_no_breaker,
        ),
        Guard(
            "memory_of_sold_slots",
            "spares losers a wasted write",
            counter=counting.WASTED_WRITES,
            factor=1.2,
            switch=_no_memory_of_sold_slots,
        ),
        Guard(
            "caches",
            "spares requests reads of what they have just read",
            counter=counting.READS,
            factor=3.0,
            switch=_no_caches,
        ),
    )
}


def find(names: Iterable[str]) -> list[Guard]:
    """The guards of these names. Raises UnknownGuard."""
    found = []
    for name in names:
        if name not in GUARDS:
            known = ", ".join(sorted(GUARDS))
            raise UnknownGuard(f"No guard is called {name!r}; choose among {known}.")
        found.append(GUARDS[name])
    return found


def switch_off(names: Iterable[str]) -> None:
    """Switches guards off in this process of the site."""
    for guard in find(names):
        guard.switch()
