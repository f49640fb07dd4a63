"""Timing the steps of the flow, for the Server-Timing header and for Prometheus."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bookings.infrastructure import metrics


class Steps:
    """The steps of one operation with their milliseconds, in the order in which they ended."""

    def __init__(self, operation: metrics.Operation) -> None:
        self.operation = operation
        self.durations_ms: dict[str, float] = {}

    @contextmanager
    def timed(self, name: metrics.Step) -> Iterator[None]:
        """Times the body of the `with`. A step that runs again adds to its earlier time."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            elapsed_s = time.perf_counter() - started_s
            self.durations_ms[name] = self.durations_ms.get(name, 0.0) + elapsed_s * 1000
            metrics.step_duration.labels(self.operation, name).observe(elapsed_s)

    def header(self) -> str:
        """The value of the Server-Timing header: `claim;dur=0.41, lock;dur=0.38`."""
        return ", ".join(f"{name};dur={ms:.2f}" for name, ms in self.durations_ms.items())
