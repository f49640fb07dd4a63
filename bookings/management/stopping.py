"""Stopping a command half-way."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError


@contextmanager
def stoppable(say: Callable[[], str]) -> Iterator[None]:
    """Lets SIGTERM stop the command as Ctrl-C does: it cleans up, then ends with a sentence.

    Works in the main thread only. `say` is called after the stop, since the sentence may depend on
    how far the command got.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(say(), returncode=130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
