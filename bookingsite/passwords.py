"""How passwords are hashed: Argon2 with OWASP's figures, and one at a time in each process.

Whatever looks at a password or stores one comes through here: log-ins, also to accounts that there
are not, new accounts and passwords, the admin, commands. Anybody can ask for a hash, and Argon2
takes memory on purpose, so what a process takes for it must have an end.

Django's own figures are 100 MiB for each hash. Hashes that an earlier release stored with them are
verified as before, and replaced when their owner logs in. Until then a wrong password for such an
account takes longer to refuse than one for an account that there is not, and nothing short of
always paying for the dearer one would hide it. Why: docs/decisions/0035.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from threading import BoundedSemaphore
from typing import TypeVar

from django.contrib.auth.hashers import Argon2PasswordHasher

from bookings.infrastructure import clock
from bookings.refusals import TryAgain

Result = TypeVar("Result")

# A thread of its own and not a lock around whichever thread asks: the C library keeps what a thread
# gave back, up to 32 MiB of it, for that thread alone (`M_MMAP_THRESHOLD` in mallopt(3)). With a
# lock four threads would keep four hashes' memory while one of them hashes.
AT_ONCE = 1

# So many threads may ask at once, half of those that serve (gunicorn.conf.py): one whose hash is
# made, and one that waits. Others are told to try again, or a crowd that logs in would leave no
# thread to book.
ASKING_AT_ONCE = 2

# So long a request waits for its turn. It is far more than the hash before it takes, and leaves
# MongoDB half of its share of the request.
WAIT_S = clock.MONGODB_TIMEOUT_S / 2

_hashing: ThreadPoolExecutor
_asking: BoundedSemaphore


def _begin() -> None:
    global _hashing, _asking
    _hashing = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hashing")
    _asking = BoundedSemaphore(ASKING_AT_ONCE)


_begin()
# A forked process has neither the thread nor those that asked.
os.register_at_fork(after_in_child=_begin)


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane, the first of what OWASP recommends:
    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html.

    `harden_runtime`, which Django calls as well, hashes nothing for Argon2.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _in_turn(lambda: super(PasswordHasher, self).encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        return _in_turn(lambda: super(PasswordHasher, self).verify(password, encoded))


def _in_turn(work: Callable[[], Result]) -> Result:
    """Does the work when the one before it is done. Raises TryAgain if too many ask already, or
    that takes too long."""
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
