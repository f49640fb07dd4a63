"""Measures the processor time of a password: `python -m bench.password_hashes`.

There are three cases: any password for an account with a current hash; a wrong one for an account
whose hash has Django's own parameters, as in an earlier release; and the right one for such an
account, whose hash is then replaced. Prints the median processor time of this process.
"""

import os
import statistics
import time
from collections.abc import Callable

TIMES = 9

PASSWORD = "correct horse battery"


def main() -> None:
    import django

    django.setup()
    from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

    earlier_hasher = Argon2PasswordHasher()
    earlier = earlier_hasher.encode(PASSWORD, earlier_hasher.salt())
    today = make_password(PASSWORD)
    tell("a hash of today's kind", lambda: check_password("wrong", today))
    tell("a hash of an earlier release", lambda: check_password("wrong", earlier))
    tell(
        "a hash of an earlier release, and its replacement",
        lambda: check_password(PASSWORD, earlier, setter=make_password),
    )


def tell(what: str, check: Callable[[], object]) -> None:
    """Prints the median processor time of `check`."""
    took_s = []
    for _ in range(TIMES):
        began_at_s = time.process_time()
        check()
        took_s.append(time.process_time() - began_at_s)
    print(f"{statistics.median(took_s):.3f} s of a processor  {what}")  # noqa: T201


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")
    os.environ.setdefault("BOOKINGSITE_ENV", "development")
    os.environ.setdefault("SECRET_KEY", "only-for-the-bench")
    main()
