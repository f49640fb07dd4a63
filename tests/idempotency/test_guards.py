"""Each guard of the layer is switched off once, and a case of the conformance suite must fail.

A guard is a piece of a Lua script or of a function's source, which is replaced in this process. The
suite itself shows that the same cases pass with the guards on.
"""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from redis import Redis

from idempotency import answers, claims, keys, mongodb, outcomes, policy
from idempotency.conformance import Subject, cases
from idempotency.conformance.processes import AFTER_CLAIM, AFTER_EFFECT, AFTER_WRITE, BUSY, GONE
from tests.idempotency import subjects

pytestmark = pytest.mark.redis

DERIVED = keys.make_key("wish")


@dataclass(frozen=True)
class Guard:
    """`owner` and `name` say where the guard is, `changes` how it goes, and `case`, run with the
    `store`, what notices it."""

    what: str
    owner: Any
    name: str
    changes: dict[str, str]
    case: str
    store: str = "mongo"
    parameters: dict[str, Any] = field(default_factory=dict)
    error: type[Exception] = AssertionError


# --- Scripts ----------------------------------------------------------------------------------

CLAIM = (claims, "_CLAIM")
FINISH = (claims, "_FINISH")
ABANDON = (claims, "_ABANDON")

SCRIPTS = [
    Guard(
        "a key in progress is not free",
        *CLAIM,
        {"if state == 'in_progress' then": "if false then"},
        "test_tells_a_twin_to_wait",
        "redis",
    ),
    Guard(
        "a completed key is not free",
        *CLAIM,
        {"if state == 'completed' then": "if false then"},
        "test_repeats_the_first_answer",
        "redis",
        {"key": "key"},
    ),
    Guard(
        "a claim ends with its lease",
        *CLAIM,
        {"redis.call('PEXPIRE', KEYS[1], ARGV[2])": ""},
        "test_frees_the_key_of_a_dead_process_after_its_lease",
    ),
    Guard(
        "an answer elsewhere is looked for before the claim",
        *CLAIM,
        {"if state == 'elsewhere' and ARGV[4] ~= '1' then": "if false then"},
        "test_repeats_the_first_answer",
        parameters={"key": DERIVED},
    ),
    Guard(
        "a key is claimed once its answer elsewhere has expired",
        *CLAIM,
        {" and ARGV[4] ~= '1'": ""},
        "test_tells_a_twin_to_wait_after_an_answer_expired",
    ),
    Guard(
        "an earlier success stays",
        *FINISH,
        {"(ARGV[3] == 'refusal' or record[3] == 'success')": "ARGV[3] == 'refusal'"},
        "test_keeps_the_answer_of_an_heir",
        "redis",
        {"key": "key"},
    ),
    Guard(
        "a success replaces a refusal",
        *FINISH,
        {"(ARGV[3] == 'refusal' or record[3] == 'success')": "true"},
        "test_replaces_the_refusal_of_an_heir_by_a_success",
    ),
    Guard(
        "an earlier refusal stays before another",
        *FINISH,
        {"(ARGV[3] == 'refusal' or record[3] == 'success')": "record[3] == 'success'"},
        "test_repeats_the_first_of_two_refusals",
    ),
    Guard(
        "a refusal does not replace a success",
        *FINISH,
        {
            "(ARGV[3] == 'refusal' or record[3] == 'success')": "ARGV[3] ~= 'refusal'",
            "if ARGV[3] == 'refusal' then": "if false then",
        },
        "test_hides_none_that_was_written_after_the_look",
        parameters={"key": "key"},
    ),
    Guard(
        "a refusal does not replace the note of a success elsewhere",
        *FINISH,
        {"if record[1] == 'elsewhere' then": "if false then", "if record[2] ~=": "if nil =="},
        "test_hides_none_that_was_written_after_the_look",
        parameters={"key": DERIVED},
    ),
    Guard(
        "only the owner keeps a refusal",
        *FINISH,
        {"if record[2] ~= ARGV[1] then": "if false then"},
        "test_keeps_the_claim_of_an_heir_from_a_lost_owner",
        parameters={"status": GONE},
    ),
    Guard(
        "no refusal is kept without a claim",
        *FINISH,
        {
            "if ARGV[3] == 'refusal' then\n  if not record[1]": (
                "if ARGV[3] == 'refusal' and record[1] then\n  if false"
            )
        },
        "test_keeps_no_refusal_of_a_lost_owner",
    ),
    Guard(
        "a claim that is gone is told apart from an heir's",
        *FINISH,
        {"if not record[1] then": "if false then"},
        "test_says_that_a_refusal_is_not_kept_without_redis",
        parameters={"comes_back": True},
    ),
    Guard(
        "an answer is forgotten after its time",
        *FINISH,
        {"'body', ARGV[8])\nredis.call('PEXPIRE', KEYS[1], ARGV[2])": "'body', ARGV[8])"},
        "test_forgets_an_answer_after_its_time",
        "redis",
    ),
    Guard(
        "only the owner gives a claim back",
        *ABANDON,
        {" and record[2] == ARGV[1]": ""},
        "test_leaves_the_key_to_an_heir_after_an_error",
    ),
    Guard(
        "only the owner gives a claim back after a refusal",
        *ABANDON,
        {" and record[2] == ARGV[1]": ""},
        "test_keeps_the_claim_of_an_heir_from_a_lost_owner",
        parameters={"status": BUSY},
    ),
]

# --- Claims -----------------------------------------------------------------------------------

CLAIMING = (claims.Claims, "claim")
REFUSING = (claims.Claim, "refuse")

CLAIMS = [
    Guard(
        "each request has an owner's token of its own",
        claims,
        "_new_owner",
        {'return f"{_process}-{next(_numbers):x}"': 'return "owner"'},
        "test_keeps_the_claim_of_an_heir_from_a_lost_owner",
        parameters={"status": GONE},
    ),
    Guard(
        "the store is asked while a key is in progress",
        *CLAIMING,
        {"if claim.replay is None:\n            raise": "if True:\n            raise"},
        "test_survives_a_crash",
        parameters={"point": AFTER_WRITE},
    ),
    Guard(
        "the store is asked beside a stored refusal",
        *CLAIMING,
        {"if kind == REFUSAL and (success := recover(digest)):": "if success := None:"},
        "test_replaces_it_even_if_the_owner_dies_then",
    ),
    Guard(
        "a key is claimed after its store has no answer",
        *CLAIMING,
        {"state, *rest = self._ask(claim, None, store_was_asked=True)": "pass"},
        "test_tells_a_twin_to_wait_after_an_answer_expired",
    ),
    Guard(
        "a claim is unknown without Redis",
        *CLAIMING,
        {"claim.is_known = False": "pass"},
        "test_does_nothing_without_redis",
        "redis",
    ),
    Guard(
        "a claim is given back",
        *CLAIMING,
        {"if claim.is_open:": "if False:"},
        "test_frees_the_key_after_an_error",
    ),
    Guard(
        "an earlier success is the answer",
        claims.Claim,
        "succeed",
        {'if state == b"completed":': "if False:"},
        "test_keeps_the_answer_of_an_heir",
        "redis",
        {"key": "key"},
    ),
    Guard(
        "the store is asked before a refusal that is not kept",
        *REFUSING,
        {"recovered = self._recover(self.digest)": "recovered = None"},
        "test_hides_no_success_behind_a_refusal",
        parameters={"status": BUSY, "key": "key"},
    ),
    Guard(
        "an earlier answer goes before a refusal",
        *REFUSING,
        {'if state == b"completed":': "if False:"},
        "test_repeats_the_first_of_two_refusals",
    ),
    Guard(
        "a lost owner does not refuse",
        *REFUSING,
        {" and not self.is_known": ""},
        "test_keeps_no_refusal_of_a_lost_owner",
    ),
    Guard(
        "no one refuses while an heir works",
        *REFUSING,
        {"raise InProgress(RETRY_AFTER_S)": "return Settled(answer)"},
        "test_keeps_the_claim_of_an_heir_from_a_lost_owner",
        parameters={"status": GONE},
    ),
]

# --- Outcomes, keys and policy ----------------------------------------------------------------

RUN = (outcomes.Idempotency, "run")

OUTCOMES = [
    Guard(
        "nothing is done if nothing would stop a second effect",
        *RUN,
        {"if not claim.is_known and not self.answers.is_durable:": "if False:"},
        "test_does_nothing_without_redis",
        "redis",
    ),
    Guard(
        "an answer has the fingerprint of its payload",
        *RUN,
        {"return dataclasses.replace(answer, fingerprint=fingerprint)": "return answer"},
        "test_tells_that_the_payload_was_another",
        parameters={"has_forgotten": True},
    ),
    Guard(
        "a refusal has the fingerprint of its payload",
        *RUN,
        {"dataclasses.replace(refused.answer, fingerprint=fingerprint)": "refused.answer"},
        "test_tells_it_after_a_refusal",
    ),
    Guard(
        "the store is asked before an error",
        *RUN,
        {"if earlier := self._find_quietly(digest):": "if earlier := None:"},
        "test_hides_no_success_behind_an_error",
        parameters={"key": "key"},
        error=LookupError,
    ),
    Guard(
        "a twin's answer is a replay",
        *RUN,
        {"if written.is_twin or settled.replayed:": "if settled.replayed:"},
        "test_repeats_it_after_redis_forgot",
        parameters={"key": "key"},
    ),
    Guard(
        "an earlier success in Redis is a replay",
        *RUN,
        {"if written.is_twin or settled.replayed:": "if written.is_twin:"},
        "test_keeps_the_answer_of_an_heir",
        "redis",
        {"key": "key"},
    ),
    Guard(
        "an answer that Redis could not keep is told",
        *RUN,
        {"settled.stored or self.answers.is_durable": "True"},
        "test_says_whether_an_answer_is_kept_if_redis_fails_before_it",
        "redis",
    ),
    Guard(
        "an answer in the store is kept",
        *RUN,
        {"settled.stored or self.answers.is_durable": "settled.stored"},
        "test_says_whether_an_answer_is_kept_if_redis_fails_before_it",
    ),
    Guard(
        "an answer that expires is only in its store",
        outcomes.Idempotency,
        "_succeed",
        {"elsewhere=self.answers.is_durable": "elsewhere=False"},
        "test_repeats_no_answer_that_its_store_let_expire",
        parameters={"has_forgotten": True},
    ),
    Guard(
        "the store is asked before a refusal is kept",
        outcomes.Idempotency,
        "_refuse",
        {"(written := self.answers.find(claim.digest))": "(written := None)"},
        "test_hides_no_success_behind_a_refusal",
        parameters={"status": GONE, "key": "key"},
    ),
    Guard(
        "an earlier refusal is a replay",
        outcomes.Idempotency,
        "_refuse",
        {"if settled.replayed:": "if False:"},
        "test_repeats_the_first_of_two_refusals",
    ),
    Guard(
        "another payload is told",
        outcomes,
        "replay",
        {"keys.fingerprint_of(read_payload()) != answer.fingerprint": "False"},
        "test_tells_that_the_payload_was_another",
        parameters={"has_forgotten": False},
    ),
    Guard(
        "another payload is rejected",
        outcomes,
        "replay",
        {'if has_changed and on_mismatch == "reject":': "if False:"},
        "test_rejects_another_payload",
        parameters={"has_forgotten": False},
    ),
    *(
        Guard(
            f"the {part} is in the digest",
            keys,
            "digest_of",
            {"[caller, operation, target, key]": f"[{', '.join(others)}]"},
            "test_keeps_requests_apart",
            parameters={"other": {part: "other"}},
        )
        for part in ("caller", "operation", "target", "key")
        for others in [[name for name in ("caller", "operation", "target", "key") if name != part]]
    ),
    Guard(
        "a derived key is kept for its own time",
        policy.KeyPolicy,
        "keep_ms",
        {"self.derived_ms if is_derived else self.remember_ms": "self.remember_ms"},
        "test_forgets_an_answer_after_its_time",
    ),
    Guard(
        "Redis keeps an answer no longer than it is remembered",
        policy.KeyPolicy,
        "cache_ms",
        {"min(self.cached_ms, keep_ms) if is_durable else keep_ms": "self.cached_ms"},
        "test_forgets_an_answer_after_its_time",
        "redis",
    ),
    Guard(
        "Redis alone keeps an answer as long as it is remembered",
        policy.KeyPolicy,
        "cache_ms",
        {" if is_durable else keep_ms": ""},
        "test_remembers_as_long_as_its_policy_says",
        "redis",
        {"remember_ms": policy.DAY_MS},
    ),
    Guard(
        "a refusal is kept no longer than its derived key",
        policy.KeyPolicy,
        "final_refusal_ms",
        {"min(self.refusal_ms, self.derived_ms) if is_derived else ": ""},
        "test_forgets_a_refusal_with_its_derived_key",
    ),
    Guard(
        "only final refusals are kept",
        policy.KeyPolicy,
        "refused_ms",
        {"if status not in self.kept_refusals:": "if False:"},
        "test_frees_the_key_after_another_refusal",
    ),
]

# --- Stores -----------------------------------------------------------------------------------

MONGO_WRITE = (mongodb.MongoAnswers, "write")
OWN_WRITE = (answers.OwnAnswers, "write")
MONGO_KEEP = (mongodb.MongoAnswers, "_keep")

STORES = [
    Guard(
        "the answer is written in the effect's transaction",
        *MONGO_WRITE,
        {
            "self._keep(digest, answer, keep_ms, session)\n": "pass\n",
            "return Kept(answer)": "self._keep(digest, answer, keep_ms, None); return Kept(answer)",
        },
        "test_has_one_effect_if_the_claim_is_lost",
        parameters={"point": AFTER_CLAIM},
    ),
    Guard(
        "the effect is undone with the answer",
        *MONGO_WRITE,
        {"answer = effect(session)": "answer = effect(None)"},
        "test_has_one_effect_if_the_claim_is_lost",
        parameters={"point": AFTER_CLAIM},
    ),
    Guard(
        "a twin gets the answer that is there",
        *MONGO_WRITE,
        {"if written is None:": "if True:"},
        "test_writes_one_of_two_answers",
        parameters={"keep_ms": None},
        error=DuplicateKeyError,
    ),
    Guard(
        "a write is tried again if its twin has expired meanwhile",
        *MONGO_WRITE,
        {"with suppress(DuplicateKeyError):": "with suppress():"},
        "test_writes_again_if_an_answer_expires_while_it_is_looked_for",
        error=DuplicateKeyError,
    ),
    Guard(
        "an answer is written only where there is none",
        *MONGO_KEEP,
        {'{"_id": digest, "status": {"$exists": False}}': '{"_id": digest}'},
        "test_has_one_effect_if_the_claim_is_lost",
        parameters={"point": AFTER_CLAIM},
    ),
    Guard(
        "an answer expires by the server's clock",
        *MONGO_KEEP,
        {
            '{"$add": ["$$NOW", keep_ms]}': (
                '{"$toDate": int(__import__("time").time() * 1000) + keep_ms}'
            )
        },
        "test_does_not_trust_the_clock_of_a_process",
        parameters={"key": DERIVED, "days": -1},
    ),
    Guard(
        "an expired answer makes room",
        *MONGO_KEEP,
        {'self._answers.delete_one({"_id": digest, "$nor": _IS_KEPT}, session=session)': ""},
        "test_repeats_no_answer_that_its_store_let_expire",
        parameters={"has_forgotten": False},
        error=DuplicateKeyError,
    ),
    Guard(
        "an expired answer is not found",
        mongodb.MongoAnswers,
        "find",
        {', "$or": _IS_KEPT': ""},
        "test_repeats_no_answer_that_its_store_let_expire",
        parameters={"has_forgotten": False},
    ),
    Guard(
        "MongoDB reads no text of an answer as an expression",
        mongodb,
        "_as_literals",
        {'{"$literal": value}': "value"},
        "test_repeats_it_after_redis_forgot",
        parameters={"key": "key"},
    ),
    Guard(
        "an own document's twin gets the answer that is there",
        *OWN_WRITE,
        {
            "if written := self.find(digest):": "if written := None:",
            "if written is None:": "if True:",
        },
        "test_writes_one_of_two_answers",
        "document",
        {"keep_ms": None},
        error=DuplicateKeyError,
    ),
    Guard(
        "an own document's digest is free once its answer has expired",
        *OWN_WRITE,
        {"self._retire(digest)": "pass"},
        "test_repeats_no_answer_that_its_store_let_expire",
        "document",
        {"has_forgotten": False},
        error=DuplicateKeyError,
    ),
    Guard(
        "only an answer that has expired is retired",
        subjects,
        "document_subject",
        {
            '{"digest": digest, **has_expired}': '{"digest": digest}',
            "if order is None:": "if True:",
        },
        "test_writes_one_of_two_answers",
        "document",
        {"keep_ms": None},
    ),
    Guard(
        "an own document's digest is unique",
        subjects,
        "document_subject",
        {"unique=True": "unique=False"},
        "test_has_one_effect_if_the_claim_is_lost",
        "document",
        {"point": AFTER_EFFECT},
    ),
    Guard(
        "the answer of an own document is found",
        subjects,
        "document_subject",
        {"if order is None:": "if True:"},
        "test_survives_a_crash",
        "document",
        {"point": AFTER_EFFECT},
    ),
]


@pytest.mark.parametrize(
    "guard", [*SCRIPTS, *CLAIMS, *OUTCOMES, *STORES], ids=lambda guard: guard.what
)
def test_notices_that_a_guard_is_gone(
    guard: Guard,
    client: Redis,
    shop: Database[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        # A case that waits for what never comes need not wait for long.
        patch.setattr(cases, "SOON_S", 0.5)
        patch.setattr(guard.owner, guard.name, without(guard))
        subject = make_subject(guard.store, shop)

        with pytest.raises(guard.error):
            subjects.run_case(guard.case, subject, client, patch, **guard.parameters)
    if guard.store == "document":
        shop["orders"].drop()  # its index may be another one


def make_subject(store: str, shop: Database[Any]) -> Subject:
    if store == "redis":
        return subjects.redis_subject()
    if store == "document":
        shop["orders"].drop()
        return subjects.document_subject(shop)
    return subjects.mongo_subject(shop)


def without(guard: Guard) -> Any:
    """The script or the function without the guard."""
    whole = getattr(guard.owner, guard.name)
    if isinstance(whole, str):
        return changed(whole, guard)
    source = changed(textwrap.dedent(inspect.getsource(whole)), guard)
    module = inspect.getmodule(whole)
    names: dict[str, Any] = {}
    exec(compile(source, f"<without: {guard.what}>", "exec"), vars(module), names)
    return names[guard.name]


def changed(text: str, guard: Guard) -> str:
    for old, new in guard.changes.items():
        assert text.count(old) >= 1, f"the guard is no longer written as {old!r}"
        text = text.replace(old, new)
    return text
