"""Prints which packages the time of a create and of a replay is spent in.

    $ python -m bench.time_by_package [REQUESTS]

The requests run one after the other in this process, without gunicorn, on MongoDB and Redis of
their own. Python's profiler makes every call dearer, above all short ones, so only the shares mean
something.
"""

import cProfile
import io
import json
import logging
import os
import pstats
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from bench.own_servers import own_servers

ROOT = Path(__file__).resolve().parent.parent
ROOMS = 400
WARM_UP = 50

# What the time goes to, by the beginning of a file's path below site-packages or this folder.
NAMES = {
    "django/": "Django",
    "asgiref/": "Django",
    "rest_framework/": "Django REST framework",
    "redis/": "driver of Redis",
    "hiredis/": "driver of Redis",
    "locks/": "locks",
    "idempotency/": "idempotency",
    "pymongo/": "driver of MongoDB",
    "bson/": "driver of MongoDB",
    "prometheus_client/": "counting for Prometheus",
    "bookingsite/logs.py": "log line",
    "bookingsite/": "middleware",
    "bookings/api/": "API views",
    "bookings/": "booking",
}


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with own_servers():
        # As in production, but with limits that these requests do not reach.
        os.environ.update(
            API_THROTTLE="on",
            API_RATE_PER_ADDRESS="100000000/minute",
            API_RATE_PER_CALLER="100000000/minute",
            LOG_LEVEL="INFO",
        )
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("seed_demo", rooms=ROOMS, verbosity=0)
        # The line is made as in production, and then thrown away.
        logging.getLogger().handlers[0].setStream(io.StringIO())  # type: ignore[attr-defined]
        ask = _asker()
        for name, request in (("create", _create(ask)), ("replay", _replay(ask))):
            print(f"{name}, {requests} requests")  # noqa: T201
            for what, share in _shares(request, requests).most_common():
                if share >= 0.01:
                    print(f"  {share:4.0%}  {what}")  # noqa: T201


def _asker() -> Callable[[int, str], None]:
    """A function that posts the booking with this number under a key, and expects success."""
    from bookings.models import ApiClient
    from bookings.people import tokens
    from bookingsite.wsgi import application

    client = ApiClient.objects.create(name="profile", act_for_others=True)
    token = tokens.issue_token(client.pk)

    def ask(number: int, key: str) -> None:
        night = date.today() + timedelta(days=30 + number // ROOMS)  # noqa: DTZ011
        body = json.dumps(
            {
                "userId": f"guest-{number}",
                "resourceId": f"bench_{number % ROOMS + 1:05}",
                "date": night.isoformat(),
            }
        ).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/bookings",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "HTTP_IDEMPOTENCY_KEY": key,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        answer = application(environ, lambda status, _headers: statuses.append(status))  # type: ignore[arg-type]
        b"".join(answer)
        answer.close()
        assert statuses == ["201 Created"], statuses

    return ask


def _create(ask: Callable[[int, str], None]) -> Callable[[int], None]:
    return lambda number: ask(number, f"key-{number}")


def _replay(ask: Callable[[int, str], None]) -> Callable[[int], None]:
    return lambda _number: ask(0, "key-0")


def _shares(request: Callable[[int], None], requests: int) -> Counter[str]:
    for number in range(WARM_UP):
        request(number)
    profile = cProfile.Profile()
    profile.enable()
    for number in range(WARM_UP, WARM_UP + requests):
        request(number)
    profile.disable()
    spent: Counter[str] = Counter()
    for place, (*_counts, own_s, _total_s, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for what, part in _whose(place, callers):
            spent[what] += own_s * part
    total_s = sum(spent.values())
    return Counter({what: own_s / total_s for what, own_s in spent.items()})


def _whose(place: tuple[str, int, str], callers: dict[Any, Any]) -> list[tuple[str, float]]:
    """What a function belongs to. Python's own functions belong to their callers."""
    file, _line, function = place
    if "recv" in function:
        return [("waiting for MongoDB and Redis", 1.0)]
    if name := _name_of(file):
        return [(name, 1.0)]
    known = [(_name_of(caller[0]) or "Python's library", of[2]) for caller, of in callers.items()]
    total_s = sum(own_s for _, own_s in known)
    if not total_s:
        return [("Python's library", 1.0)]
    return [(name, own_s / total_s) for name, own_s in known]


def _name_of(file: str) -> str | None:
    _, _, packaged = file.partition("site-packages/")
    path = packaged or file.removeprefix(f"{ROOT}/")
    return next((name for start, name in NAMES.items() if path.startswith(start)), None)


if __name__ == "__main__":
    main()
