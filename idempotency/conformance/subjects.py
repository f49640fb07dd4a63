"""What a case gets to know of the store under test."""

from collections.abc import Callable
from dataclasses import dataclass

from idempotency.answers import Answer, AnswerStore
from idempotency.outcomes import KeyedRequest


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A store of answers without any, and an effect that can be counted.

    `effect` does one effect, as a view would: in `keyed.transaction` if the store has one. If the
    effect's own document or row keeps the answer, it is written with `keyed.digest` and
    `keyed.fingerprint`. Several threads call it at once.

    `count_effects` returns how many effects there are.

    `undoes_effects` is False if nothing takes back what an effect wrote before it raised.

    `expire_answers` makes all answers expire that are not kept for ever, as if their time were
    over. It is None if the store keeps all answers for ever.
    """

    store: AnswerStore
    effect: Callable[[KeyedRequest, Answer], None]
    count_effects: Callable[[], int]
    undoes_effects: bool = True
    expire_answers: Callable[[], None] | None = None
