"""The first thing that a request asks Redis: what several layers want to know, in one round trip.

Each layer adds its commands and says what their results mean. `send` asks; a claim on a key takes
the commands along with its own (`idempotency.claims.Company`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError

from bookings.infrastructure import connections


@dataclass(frozen=True)
class _Part:
    commands: Sequence[Sequence[str | int | bytes]]
    answered: Callable[[Sequence[Any]], None]
    failed: Callable[[], None]


class Opening:
    """Commands of several layers that are sent together, once."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        # What a layer raised, so that a claim can tell it from its own exceptions.
        self.raised: Exception | None = None

    def add(
        self,
        *commands: Sequence[str | int | bytes],
        answered: Callable[[Sequence[Any]], None],
        failed: Callable[[], None],
    ) -> None:
        """Adds commands. `answered` gets their results; `failed` is called if Redis is away or
        refuses one of them. Both may raise a Refusal, which `send` or the claim raises."""
        self._parts.append(_Part(commands, answered, failed))

    def send(self) -> None:
        """Asks now, unless a claim has asked already."""
        if not self._parts:
            return
        try:
            with connections.redis().pipeline(transaction=False) as pipeline:
                self.queue(pipeline)
                results = pipeline.execute(raise_on_error=False)
        except RedisError:
            self.failed()
        else:
            self.answered(results)

    # --- As the company of a claim ----------------------------------------------------------

    def queue(self, pipeline: Pipeline) -> None:
        """Adds all commands to a batch that someone else sends."""
        for part in self._parts:
            for command in part.commands:
                pipeline.execute_command(*command)

    def answered(self, results: Sequence[Any]) -> None:
        """Gives each layer its results. If layers raise, the first exception is raised."""
        calls, first = [], 0
        for part in self._parts:
            own = results[first : first + len(part.commands)]
            first += len(part.commands)
            is_refused = any(isinstance(result, Exception) for result in own)
            calls.append(part.failed if is_refused else partial(part.answered, own))
        self._call(calls)

    def failed(self) -> None:
        """Tells each layer that Redis does not answer."""
        self._call([part.failed for part in self._parts])

    def _call(self, calls: Sequence[Callable[[], None]]) -> None:
        """Every layer is told, even if one before it raises."""
        self._parts = []
        for call in calls:
            try:
                call()
            except Exception as error:
                self.raised = self.raised or error
        if self.raised:
            raise self.raised
