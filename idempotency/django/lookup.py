"""Looking up an idempotency key, for operators: in Redis and in the durable store.

Two settings, dotted paths of functions, connect this to the durable store. The function
`IDEMPOTENCY_FIND_EFFECT` takes a digest and a target ("" if the operation has none), and returns an
Effect or None. The function `IDEMPOTENCY_READ_CALLER` takes the text that an operator typed for a
caller, such as a name, and returns the caller as it is written in digests, or None.
"""

import json
import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from idempotency import keys
from idempotency.claims import Answer, Claims, Record
from idempotency.errors import InvalidKey, UnknownCaller

_DIGEST = re.compile(r"[0-9a-f]{64}")


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

    `redis_answers` is False if Redis is down.
    """

    digest: str
    record: Record | None
    effect: Effect | None
    redis_answers: bool

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
    """The claims of this site, in the Redis of Django's default cache."""
    return Claims(get_redis_connection())


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
    known = import_string(settings.IDEMPOTENCY_READ_CALLER)(caller)
    if known is None:
        raise UnknownCaller(caller)
    return keys.digest_of(caller=known, operation=operation, target=target, key=key)


def look_up(digest: str, *, target: str = "") -> FoundKey:
    """All that is known about the digest. Works with Redis down; errors of the durable store are
    raised."""
    find_effect = import_string(settings.IDEMPOTENCY_FIND_EFFECT)
    effect = find_effect(digest, target)
    try:
        record, redis_answers = claims().look_up(digest), True
    except RedisError:
        record, redis_answers = None, False
    return FoundKey(digest, record, effect, redis_answers)
