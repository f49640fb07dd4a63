"""The first round trip of a request to Redis, which several layers share.

Each layer adds its commands and a function that gets their results. A view sends them with `send`,
or hands them to a claim on a key, which sends them with its own (`idempotency.claims.Company`).
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
    """Commands of several layers, sent together and only once."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        # The exception of a layer, so that a claim can tell it from its own.
        self.raised: Exception | None = None

    def add(
        self,
        *commands: Sequence[str | int | bytes],
        answered: Callable[[Sequence[Any]], None],
        failed: Callable[[], None],
    ) -> None:
        """Adds commands. `answered` gets their results. If Redis does not answer or refuses one of
        them, `failed` is called instead. Both may raise a Refusal; `send` or the claim passes it
        on."""
        self._parts.append(_Part(commands, answered, failed))

    def send(self) -> None:
        """Sends the commands now, unless a claim has sent them already."""
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
        """Adds all commands to a batch that the claim sends."""
        for part in self._parts:
            for command in part.commands:
                pipeline.execute_command(*command)

    def answered(self, results: Sequence[Any]) -> None:
        """Gives each layer its results. Raises the first exception of a layer."""
        calls, first = [], 0
        for part in self._parts:
            own = results[first : first + len(part.commands)]
            first += len(part.commands)
            is_refused = any(isinstance(result, Exception) for result in own)
            calls.append(part.failed if is_refused else partial(part.answered, own))
        self._call(calls)

    def failed(self) -> None:
        """Tells each layer that Redis did not answer."""
        self._call([part.failed for part in self._parts])

    def _call(self, calls: Sequence[Callable[[], None]]) -> None:
        """Calls every layer, even if an earlier one raises. Then raises the first exception."""
        self._parts = []
        for call in calls:
            try:
                call()
            except Exception as error:
                self.raised = self.raised or error
        if self.raised:
            raise self.raised
