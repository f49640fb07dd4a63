"""The policy of a set of keys: how long they are remembered, and what else a client must know."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from idempotency.keys import MAX_LENGTH, SERVER_MADE

MINUTE_MS = 60 * 1000
DAY_MS = 24 * 60 * MINUTE_MS


@dataclass(frozen=True)
class KeyPolicy:
    """What clients may rely on, and what an API tells them about its keys. Times are in ms.

    `remember_ms`   how long a success is repeated under a client's key; None means for ever. An
                    AnswerStore keeps it that long. A store that is not durable needs a time.
    `derived_ms`    the same for a key that the server derived from a request without one. After it
                    the same request is a new wish, so it is short.
    `refusal_ms`    how long a refusal is repeated whose status is in `kept_refusals`.
    `kept_refusals` statuses of refusals that are final, such as 409 or 410. All others leave the
                    key free for another try.
    `cached_ms`     how long Redis answers without asking a durable store. It always asks for an
                    answer that expires. Redis alone keeps an answer as long as the key is
                    remembered.
    `on_mismatch`   what another payload under the same key gets: the first answer with a header
                    that says so (`replay`), or 422 (`reject`), as draft-ietf-httpapi-idempotency-
                    key-header-07, section 2.7, suggests.
    """

    remember_ms: int | None = None
    derived_ms: int = 2 * MINUTE_MS
    refusal_ms: int = DAY_MS
    kept_refusals: frozenset[int] = frozenset()
    cached_ms: int = DAY_MS
    on_mismatch: Literal["replay", "reject"] = "replay"

    def __post_init__(self) -> None:
        """Raises ValueError for a time that Redis and the stores could not keep."""
        for name in ("derived_ms", "refusal_ms", "cached_ms"):
            check_ms(name, getattr(self, name))
        if self.remember_ms is not None:
            check_ms("remember_ms", self.remember_ms)

    def keep_ms(self, *, is_derived: bool) -> int | None:
        """How long the store keeps a success; None means for ever."""
        return self.derived_ms if is_derived else self.remember_ms

    def cache_ms(self, *, is_derived: bool, is_durable: bool) -> int:
        """How long Redis keeps a success, or the note that only a durable store has it."""
        keep_ms = self.keep_ms(is_derived=is_derived)
        if keep_ms is None:
            return self.cached_ms
        return min(self.cached_ms, keep_ms) if is_durable else keep_ms

    def refused_ms(self, status: int, *, is_derived: bool) -> int | None:
        """How long a refusal with this status is repeated; None means that it is not kept."""
        if status not in self.kept_refusals:
            return None
        return self.final_refusal_ms(is_derived=is_derived)

    def final_refusal_ms(self, *, is_derived: bool) -> int:
        """How long a final refusal is repeated."""
        return min(self.refusal_ms, self.derived_ms) if is_derived else self.refusal_ms

    def describe(self, *, final: Iterable[str] = (), derives: bool = False) -> str:
        """The policy in Markdown, for an API's description.

        `final` names the final refusals, if statuses do not tell them. `derives` says that requests
        without a key get one.
        """
        return "\n".join(f"- {line}" for line in self._sentences(tuple(final), derives))

    def _sentences(self, final: tuple[str, ...], derives: bool) -> Iterable[str]:
        yield (
            f"A key has 1 to {MAX_LENGTH} visible ASCII characters without comma, quote and "
            "backslash, or any visible ASCII in double quotes. Make one for each wish, such as a "
            "UUID, and send it with every retry."
        )
        yield (
            "A key belongs to its caller, to the operation, and to what the operation changes. So "
            "no one gets another caller's answer, and one key may make a thing and then change it."
        )
        kept = "for ever" if self.remember_ms is None else f"for {duration(self.remember_ms)}"
        yield f"A success is repeated {kept}, with the same status and the same bytes."
        names = ", ".join(final or map(str, sorted(self.kept_refusals)))
        if names:
            yield (
                f"A final refusal ({names}) is repeated for {duration(self.refusal_ms)}. "
                "After any other refusal the key is free for another try."
            )
        else:
            yield "After a refusal the key is free for another try."
        if derives:
            yield (
                f"A request without a key gets one from the server, made from what it asks for. It "
                f"begins with `{SERVER_MADE}`, and its answer is repeated for "
                f"{duration(self.derived_ms)} at most; after that the same request is a new wish."
            )
        if self.on_mismatch == "reject":
            yield "Another payload under the same key gets 422."
        else:
            yield (
                "Another payload under the same key gets the first answer, and the header "
                "`Idempotency-Payload-Mismatch: true`."
            )
        yield (
            "While the first request is in progress, its key gets 409 with `Retry-After`. Send the "
            "same request again."
        )


def check_ms(name: str, time_ms: object) -> None:
    """Raises ValueError unless the time is a whole number above 0: Redis refuses all others, or
    keeps the record for ever."""
    if not isinstance(time_ms, int) or isinstance(time_ms, bool) or time_ms < 1:
        raise ValueError(f"{name} is {time_ms!r}: give whole milliseconds, at least 1.")


def duration(duration_ms: int) -> str:
    """The duration in the largest unit of which there is a whole number: `24 hours`."""
    for unit_ms, unit in ((60 * MINUTE_MS, "hour"), (MINUTE_MS, "minute"), (1000, "second")):
        number, rest = divmod(duration_ms, unit_ms)
        if number and not rest:
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{duration_ms} ms"
