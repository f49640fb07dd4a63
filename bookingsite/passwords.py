"""How passwords are hashed: Argon2 with OWASP's parameters, one at a time in each process.

Everything that checks or stores a password comes through here: logins (also to accounts that do not
exist), new accounts, new passwords, the admin and commands. Anyone can trigger a hash, and Argon2
uses much memory by design, so the memory that a process spends on it needs a limit.

Django's own parameters take 100 MiB for each hash. Hashes that an earlier release stored with them
are still verified, and are replaced when their owner logs in. Until then, refusing a wrong password
takes longer for such an account than for one that does not exist. Only paying for the dearer hash
every time would hide that. Why: docs/decisions/0035.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from threading import BoundedSemaphore
from typing import TypeVar

from django.contrib.auth.hashers import Argon2PasswordHasher

from bookings.infrastructure import deadlines
from bookings.refusals import TryAgain

Result = TypeVar("Result")

# Hashing has a thread of its own instead of a lock around the asking threads. The C library keeps
# up to 32 MiB of freed memory for the thread that freed it (`M_MMAP_THRESHOLD` in mallopt(3)). With
# a lock, four threads would keep four hashes' memory while one of them hashes.
AT_ONCE = 1

# How many threads may ask at once, half of those that serve (gunicorn.conf.py): one whose hash is
# being made, and one that waits. The others are told to try again. Otherwise a rush of logins would
# leave no thread for bookings.
ASKING_AT_ONCE = 2

# How long a request waits for its turn. It is far more than the hash ahead of it takes, and leaves
# MongoDB half of its share of the request's time.
WAIT_S = deadlines.MONGODB_TIMEOUT_S / 2

_hashing: ThreadPoolExecutor
_asking: BoundedSemaphore


def _begin() -> None:
    global _hashing, _asking
    _hashing = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hashing")
    _asking = BoundedSemaphore(ASKING_AT_ONCE)


_begin()
# A forked process inherits neither the thread nor the threads that were asking.
os.register_at_fork(after_in_child=_begin)


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane, OWASP's first recommendation:
    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html.

    Django also calls `harden_runtime`, which hashes nothing for Argon2.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _in_turn(lambda: super(PasswordHasher, self).encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        return _in_turn(lambda: super(PasswordHasher, self).verify(password, encoded))


def _in_turn(work: Callable[[], Result]) -> Result:
    """Runs `work` when the one before it is done. Raises TryAgain if too many threads already ask,
    or if the turn does not come in time."""
    if not _asking.acquire(blocking=False):
        raise TryAgain
    try:
        turn = _hashing.submit(work)
        try:
            return turn.result(WAIT_S)
        except NotInTime:
            if turn.cancel():
                raise TryAgain from None
            return turn.result()  # it has begun
    finally:
        _asking.release()
