"""What clients asked for and what they were told, operation by operation."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

# Refusals that a key keeps, while Redis remembers them.
KEPT_REFUSALS = ("ALREADY_BOOKED", "SOLD_OUT")

# Answers after which the same key may be sent again and get another one.
PASSING = (
    "IDEMPOTENCY_IN_PROGRESS",
    "RESOURCE_LOCKED",
    "TRY_AGAIN",
    "THROTTLED",
)

Outcome = Literal["ok", "refused", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "unknown")


@dataclass
class Attempt:
    """One request. `status` is 0 if no whole answer came; times are wall times of this process.

    The answers of pages have no `digest`: they are never the same, byte by byte.
    """

    began_s: float
    ended_s: float = 0.0
    status: int = 0
    code: str = ""
    is_success: bool = False
    is_replay: bool = False
    # False if the site said that Redis did not keep the answer.
    is_kept: bool = True
    digest: str = ""
    problem: str = ""


@dataclass
class Operation:
    """One wish of one client under one key, with all its attempts.

    `target` is the booking that it changes, "" if it makes one. `wish` is what was asked for, in
    the API's words. `answer` is the booking of the success, as the answer showed it.
    """

    number: int
    client: str
    caller: str
    kind: str
    key: str
    target: str
    wish: dict[str, Any]
    attempts: list[Attempt] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    # It is not sent again, although no final answer came: the form does something else by now.
    given_up: bool = False
    # Other keys that the site may have made of the form's, such as with another secret.
    more_keys: list[str] = field(default_factory=list)

    @property
    def began_s(self) -> float:
        return self.attempts[0].began_s

    @property
    def outcome(self) -> Outcome:
        """ok: a success was told. refused: a refusal was, and no request is unaccounted for.
        unknown: all others."""
        if self.answer is not None:
            return "ok"
        if self.attempts and all(
            attempt.status and attempt.status < 500 for attempt in self.attempts
        ):
            return "refused" if self.attempts[-1].code not in PASSING else "unknown"
        return "unknown"

    @property
    def ended_s(self) -> float:
        """When its success was told first; infinity if it never was.

        A refusal ends nothing: where Redis forgot it, the same key may succeed later.
        """
        told_s = (attempt.ended_s for attempt in self.attempts if attempt.is_success)
        return min(told_s, default=float("inf"))

    @property
    def booking(self) -> str:
        """The booking that it made or changed, as far as is known."""
        return self.target or (str(self.answer["id"]) if self.answer else "")


class History:
    """All operations of a run. Clients are threads, so it has a lock."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._numbers = itertools.count(1)
        self._mutex = threading.Lock()

    def begin(self, **fields: Any) -> Operation:
        with self._mutex:
            operation = Operation(number=next(self._numbers), **fields)
            self.operations.append(operation)
        return operation

    def all(self) -> list[Operation]:
        """Those that were begun so far and have been sent at least once."""
        with self._mutex:
            return [each for each in self.operations if each.attempts]

    def write(self, path: Path) -> None:
        """One JSON object a line."""
        with path.open("w", encoding="utf-8") as file:
            for operation in self.all():
                file.write(json.dumps(asdict(operation), separators=(",", ":")) + "\n")


def read(path: Path) -> Iterator[Operation]:
    """The operations of a file that `History.write` wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            fields["attempts"] = [Attempt(**each) for each in fields["attempts"]]
            yield Operation(**fields)
