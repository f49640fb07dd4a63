"""Looking up an idempotency key, for operators: in Redis and in the durable store.

Settings fit it to a project. Each may be left out.

- `IDEMPOTENCY_CLAIMS`: the dotted path of the project's Claims, such as `shop.keys.claims`; without
  it, Claims in the Redis of django-redis' default cache.
- `IDEMPOTENCY_FIND_EFFECT`: the dotted path of a function that takes a digest and a target ("" if
  the operation has none), and returns an Effect or None; without it only Redis is looked at.
- `IDEMPOTENCY_READ_CALLER`: the dotted path of a function that takes what an operator typed for a
  caller, such as a name, and returns the caller as it is written in digests, or None; without it,
  the caller is taken as typed.
- `IDEMPOTENCY_DEFAULT_OPERATION`: the operation if an operator names none.
- `IDEMPOTENCY_HELP`: what to write for `caller`, `operation` and `target`, for operators.
"""

import json
import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from idempotency import keys
from idempotency.answers import Answer
from idempotency.claims import Claims, Record
from idempotency.errors import InvalidKey, UnknownCaller

_DIGEST = re.compile(r"[0-9a-f]{64}")

_HELP = {
    "caller": "write it as the endpoint does, such as user:7",
    "operation": "the name that the endpoint gives it, such as issue_voucher",
    "target": "what the operation changes, as the endpoint writes it, such as pk=7",
}


@dataclass(frozen=True)
class Effect:
    """The object that a key made or changed, and the answer that acknowledged it.

    `model` is its Django model, as `app.model` in lower case, and `pk` its primary key.
    """

    label: str
    model: str
    pk: str
    answer: Answer | None


@dataclass(frozen=True)
class FoundKey:
    """A digest as Redis and the durable store know it.

    `redis_answers` is False if Redis is down, and `store_answers` if no setting says how to ask
    the durable store.
    """

    digest: str
    record: Record | None
    effect: Effect | None
    redis_answers: bool
    store_answers: bool = True

    @property
    def state(self) -> str:
        """One sentence about the record in Redis."""
        if not self.redis_answers:
            return "Redis does not answer, so what it remembers is unknown."
        if self.record is None:
            return "Redis has no record of this key."
        left = _describe_duration(self.record.expires_in_ms)
        if self.record.state == "in_progress":
            return f"A request with this key is in progress; its lease ends in {left}."
        if self.record.state == "elsewhere":
            return f"Completed; for {left} each request asks the database for the answer."
        return f"Completed with a {self.record.kind}, which Redis forgets in {left}."

    @property
    def answer(self) -> Answer | None:
        """The answer that a request with this key would get now, if it is settled."""
        if self.effect and self.effect.answer:
            return self.effect.answer
        return self.record.answer if self.record else None

    @property
    def body(self) -> str:
        """The answer's body for people: JSON is indented, anything else is shown as text."""
        if self.answer is None:
            return ""
        text = self.answer.body.decode("utf-8", "backslashreplace")
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text


def _describe_duration(duration_ms: int) -> str:
    """The duration in the largest unit of which there are at least two."""
    seconds = round(duration_ms / 1000)
    for unit_s, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{round(seconds / unit_s)} {unit}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def claims() -> Claims:
    """The claims of this project."""
    if path := getattr(settings, "IDEMPOTENCY_CLAIMS", ""):
        found: Claims = import_string(path)
        return found
    from django_redis import get_redis_connection  # a project with claims of its own may lack it

    return Claims(get_redis_connection())


def default_operation() -> str:
    """The operation if an operator names none, or ""."""
    operation: str = getattr(settings, "IDEMPOTENCY_DEFAULT_OPERATION", "")
    return operation


def help_on(name: str) -> str:
    """What an operator should write for `caller`, `operation` or `target`."""
    words: str = getattr(settings, "IDEMPOTENCY_HELP", {}).get(name, _HELP[name])
    return words


def read_digest(text: str, *, caller: str, operation: str, target: str) -> str:
    """The digest in an operator's input: `text` is the digest itself or, with a caller, a key.

    Raises InvalidKey or UnknownCaller.
    """
    if not caller:
        if _DIGEST.fullmatch(text):
            return text
        raise InvalidKey("Name the caller of this key, or enter its digest (64 hex digits).")
    key = keys.read_key(text, accept_server_made=True)
    if key is None:
        raise InvalidKey(InvalidKey.__doc__)
    operation = operation or default_operation()
    if not operation:
        raise InvalidKey("Name the operation of this key, too: it is part of the digest.")
    known = caller
    if path := getattr(settings, "IDEMPOTENCY_READ_CALLER", ""):
        known = import_string(path)(caller)
    if known is None:
        raise UnknownCaller(caller, help_on("caller"))
    return keys.digest_of(caller=known, operation=operation, target=target, key=key)


def look_up(digest: str, *, target: str = "") -> FoundKey:
    """All that is known about the digest. Works with Redis down; errors of the durable store are
    raised."""
    path = getattr(settings, "IDEMPOTENCY_FIND_EFFECT", "")
    effect = import_string(path)(digest, target) if path else None
    try:
        record, redis_answers = claims().look_up(digest), True
    except RedisError:
        record, redis_answers = None, False
    return FoundKey(digest, record, effect, redis_answers, store_answers=bool(path))
