"""The first thing that a request asks Redis: what several layers want to know, in one round trip.

Each layer adds its commands and says what their results mean. `send` asks; a claim on a key takes
the commands along with its own (`idempotency.claims.Company`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        parts, self._parts = self._parts, []
        first, raised = 0, None
        for part in parts:
            own = results[first : first + len(part.commands)]
            first += len(part.commands)
            try:
                if any(isinstance(result, Exception) for result in own):
                    part.failed()
                else:
                    part.answered(own)
            except Exception as error:
                raised = raised or error
        if raised:
            raise raised

    def failed(self) -> None:
        """Tells each layer that Redis does not answer."""
        parts, self._parts = self._parts, []
        raised = None
        for part in parts:
            try:
                part.failed()
            except Exception as error:
                raised = raised or error
        if raised:
            raise raised
