"""How long each step of the flow took, for the Server-Timing header."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Milliseconds by step, in the order in which the steps ended."""

    def __init__(self) -> None:
        self.durations_ms: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started_s = time.perf_counter()
        try:
            yield
        finally:
            elapsed_ms = (time.perf_counter() - started_s) * 1000
            self.durations_ms[name] = self.durations_ms.get(name, 0.0) + elapsed_ms

    def header(self) -> str:
        """`claim;dur=0.41, lock;dur=0.38`, as the Server-Timing specification writes it."""
        return ", ".join(f"{name};dur={ms:.2f}" for name, ms in self.durations_ms.items())
