"""Which slots this process has just sold, or seen sold, and which stays it has seen sold out.

Many people may want one room on one night, and all but one of them lose. For a loser an insert that
fails costs more than a look. So a request for a slot that was sold a moment ago looks first
(`rivals.are_sold`). A request for any room of a category looks at the nights of the stay first, and
not around it. What is kept here decides nothing: if the slot is free again, the look says so.
"""

import threading
import time
from collections.abc import Iterable

# A look for nothing costs one round trip, so a slot that was given back is soon forgotten here.
KEPT_S = 10.0
MOST = 10_000

_mutex = threading.Lock()
_seen_at_s: dict[str, float] = {}


def note(names: Iterable[str]) -> None:
    """Keeps that these are sold: slots, each named `hotel|slot`, or stays. The oldest make room."""
    now_s = time.monotonic()
    with _mutex:
        for name in names:
            _seen_at_s.pop(name, None)
            _seen_at_s[name] = now_s
        while len(_seen_at_s) > MOST:
            del _seen_at_s[next(iter(_seen_at_s))]


def any_of(names: Iterable[str]) -> bool:
    """Whether one of these was seen sold within the last KEPT_S seconds."""
    limit_s = time.monotonic() - KEPT_S
    with _mutex:
        return any(_seen_at_s.get(name, 0.0) > limit_s for name in names)


def forget() -> None:
    """Forgets all of them, for tests."""
    with _mutex:
        _seen_at_s.clear()
