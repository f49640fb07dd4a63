"""Measures what news costs: `python -m bench.outbox [BOOKINGS]`.

Starts its own MongoDB and Redis, and in processes of their own a mail server that keeps nothing
and a receiver that answers every webhook at once. It books in turns for a guest without an address,
who gets no news, and for a guest with one, of a partner with an endpoint. Then it runs the worker's
tasks until nothing is left: it passes the news on, sends the mails and sends the webhooks, first to
one endpoint and then to eight. It prints the deliveries a second, and the processor time of each.
"""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from bench.load.cpu import spent_s
from bench.own_servers import own_servers
from local.servers import free_port

# Short turns, so that other work on the machine slows both kinds alike.
TURN = 50

# As many as a run of the worker serves at once.
ENDPOINTS = 8

MOST = 50_000


def main(servers: Mapping[str, Sequence[int]], bookings: int, mail_port: int, port: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from bookings.news import guest_mails, relay
    from bookings.news.webhooks import sending

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.WEBHOOK_PRIVATE_ADDRESSES = True
    call_command("migrate", verbosity=0)
    call_command("seed_demo", rooms=bookings, stdout=io.StringIO())
    spent = {"told": 0.0, "untold": 0.0}
    single, *others = make_partners(f"http://127.0.0.1:{port}/", 1 + ENDPOINTS)
    for begin in range(0, bookings, TURN):
        for kind in spent:
            for number in range(begin, min(begin + TURN, bookings)):
                begun_s = time.perf_counter()
                book(kind, number, single)
                spent[kind] += time.perf_counter() - begun_s
    told_ms, untold_ms = (spent[kind] / bookings * 1000 for kind in ("told", "untold"))
    print(  # noqa: T201
        f"a booking {untold_ms:5.2f} ms, with news {told_ms:5.2f} ms: {told_ms / untold_ms:.2f}"
    )

    def measure(what: str, task: Callable[[], int]) -> None:
        processes = {"worker": [os.getpid()], **servers}
        # The worker is this process, whose children are measured by themselves or not at all.
        before, own_s = spent_s(servers), time.process_time()
        begun_s = time.perf_counter()
        number = repeat(task)
        took_s = time.perf_counter() - begun_s
        after = {"worker": time.process_time() - own_s, **spent_s(servers)}
        each_ms = {
            name: (after[name] - before.get(name, 0.0)) * 1000 / max(1, number)
            for name in processes
        }
        said = ", ".join(f"{name} {ms:.2f}" for name, ms in each_ms.items())
        print(  # noqa: T201
            f"{number:6} {what}: {number / took_s:5.0f} a second, "
            f"{sum(each_ms.values()):5.2f} ms of processor time each ({said})",
            flush=True,
        )

    measure("deliveries passed on", relay.pass_on_news)
    measure("mails sent", guest_mails.send_notifications)
    measure("webhooks sent to one endpoint", sending.send_webhooks)
    for number in range(bookings):
        book("spread", number, others[number % ENDPOINTS])
    repeat(relay.pass_on_news)
    measure(f"webhooks sent to {ENDPOINTS} endpoints", sending.send_webhooks)
    check_all_sent()


def make_partners(url: str, number: int) -> list[str]:
    """The ids of new API clients, each with an endpoint."""
    from bookings.models import ApiClient, WebhookEndpoint
    from bookings.news.webhooks import endpoints

    ids = []
    for each in range(number):
        client = ApiClient.objects.create(name=f"partner-{each}")
        _, stored = endpoints.new_secret()
        WebhookEndpoint.objects.create(client=client, url=url, **stored)
        ids.append(str(client.pk))
    return ids


def book(kind: str, number: int, partner: str) -> None:
    """Books another room for each number, on a night for each kind."""
    from bookings.domain.callers import Caller
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    nights = {"untold": 30, "told": 31, "spread": 32}
    night = date.today() + timedelta(days=nights[kind])  # noqa: DTZ011
    wish = {
        "resourceId": f"bench_{number + 1:05}",
        "date": night.isoformat(),
        # The eight endpoints' bookings have no address, since mails were measured before.
        "guest": {"name": "Ada", "email": "ada@example.org" if kind == "told" else ""},
    }
    outcome = create.create_booking(
        # A partner without an endpoint gets no news either.
        caller=Caller("client", "0" * 24 if kind == "untold" else partner),
        key_header=f"{kind}-{number}",
        read_payload=lambda: wish,
        deadline=Deadline.after(10),
    )
    assert outcome.code is None, outcome.content


def repeat(task: Callable[[], int]) -> int:
    """Runs the task until nothing is left, as beat does; returns how many it did."""
    done = 0
    while number := task():
        done += number
    return done


def check_all_sent() -> None:
    """Raises SystemExit if a delivery was not sent."""
    from bookings.infrastructure.connections import collection

    left = collection("deliveries").count_documents({"state": {"$ne": "sent"}})
    if left:
        raise SystemExit(f"{left} deliveries were not sent.")


# --- Who receives ---------------------------------------------------------------------------


@contextlib.contextmanager
def own_receivers() -> Iterator[list[int]]:
    """The ports of a mail server and of a receiver of webhooks, each in a process of its own."""
    ports = [free_port(), free_port()]
    children: list[subprocess.Popen[bytes]] = []
    try:
        for kind, port in zip(RECEIVERS, ports, strict=True):
            argv = [sys.executable, "-m", "bench.outbox", kind, str(port)]
            # It ends when this end of its input is closed, even if this process is killed.
            children.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for child in children:
            assert child.stdout is not None
            if not child.stdout.readline():
                raise SystemExit("A receiver did not start.")
        yield ports
    finally:
        for child in children:
            child.kill()
            child.wait()


def receive(kind: str, port: int) -> None:
    """Serves on this port until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = RECEIVERS[kind](port)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.read()
    stop()


def _receive_mails(port: int) -> Callable[[], None]:
    from aiosmtpd.controller import Controller

    class Sink:
        async def handle_DATA(self, *_: Any) -> str:
            return "250 Taken"

    server = Controller(Sink(), hostname="127.0.0.1", port=port)
    server.start()
    return server.stop


def _receive_webhooks(port: int) -> Callable[[], None]:
    import threading

    class Receiver(asyncio.Protocol):
        """Answers once the whole body has arrived, and closes, as it is asked to."""

        def connection_made(self, transport: Any) -> None:
            self._transport, self._arrived = transport, b""

        def data_received(self, data: bytes) -> None:
            self._arrived += data
            head, end, body = self._arrived.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            if len(body) >= int(length):
                self._transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                self._transport.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(loop.create_server(Receiver, "127.0.0.1", port))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return lambda: None


RECEIVERS = {"mails": _receive_mails, "webhooks": _receive_webhooks}


def run(bookings: str = "1000") -> None:
    if not bookings.isdecimal() or not 1 <= int(bookings) <= MOST:
        raise SystemExit(f"Give a number of bookings from 1 to {MOST:,}.")
    with own_receivers() as (mail_port, port), own_servers() as servers:
        main(servers, int(bookings), mail_port, port)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in RECEIVERS:
        receive(sys.argv[1], int(sys.argv[2]))
    else:
        run(*sys.argv[1:])
