"""Stopping a command in the middle."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError


@contextmanager
def stoppable(sentence: str) -> Iterator[None]:
    """Lets SIGTERM stop the command as Ctrl-C does: it cleans up first, and ends with a sentence.

    For the main thread.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(sentence, returncode=130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
