"""Measures what news costs: `python -m bench.outbox [BOOKINGS]`.

Starts its own MongoDB and Redis, and books in turns for a guest without an address, who gets no
news, and for a guest with one. Then it passes the news on, and discards the mails.
"""

import io
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta

from bench.own_servers import own_servers

# Short turns, so that other work on the machine slows both kinds alike.
TURN = 50


def main(bookings: int = 1_000) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from bookings.domain.callers import Caller
    from bookings.infrastructure.deadlines import Deadline
    from bookings.news import guest_mails, relay
    from bookings.stays import create

    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    call_command("migrate", verbosity=0)
    call_command("seed_demo", rooms=bookings, stdout=io.StringIO())
    first = date.today() + timedelta(days=30)  # noqa: DTZ011
    spent_s = {"told": 0.0, "untold": 0.0}

    def book(kind: str, number: int) -> None:
        night = first + timedelta(days=kind == "told")
        guest = {"name": "Ada", "email": "ada@example.org" if kind == "told" else ""}
        wish = {
            "resourceId": f"bench_{number + 1:05}",
            "date": night.isoformat(),
            "guest": guest,
        }
        outcome = create.create_booking(
            caller=Caller("user", kind),
            key_header=f"{kind}-{number}",
            read_payload=lambda: wish,
            deadline=Deadline.after(10),
        )
        assert outcome.code is None, outcome.content

    for begin in range(0, bookings, TURN):
        for kind in spent_s:
            for number in range(begin, min(begin + TURN, bookings)):
                begun_s = time.perf_counter()
                book(kind, number)
                spent_s[kind] += time.perf_counter() - begun_s

    told_ms, untold_ms = (spent_s[kind] / bookings * 1000 for kind in ("told", "untold"))
    print(  # noqa: T201
        f"a booking {untold_ms:5.2f} ms, with news {told_ms:5.2f} ms: {told_ms / untold_ms:.2f}"
    )
    passed_s = seconds(lambda: repeat(relay.pass_on_news))
    sent_s = seconds(lambda: repeat(guest_mails.send_notifications))
    print(  # noqa: T201
        f"passed on {bookings / passed_s:5.0f} a second, "
        f"written and settled {bookings / sent_s:5.0f} mails a second"
    )


def repeat(task: Callable[[], int]) -> None:
    """Runs the task until nothing is left, as beat does."""
    while task():
        pass


def seconds(work: Callable[[], None]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
