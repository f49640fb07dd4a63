"""Stopping a command in the middle."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError


@contextmanager
def stoppable(say: Callable[[], str]) -> Iterator[None]:
    """Lets SIGTERM stop the command as Ctrl-C does: it cleans up first, and ends with a sentence.

    For the main thread. `say` is asked when it was stopped, since what is left may depend on when.
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
