from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from locks.connection import breaker_of, connect
from locks.redis_lock import Held, RedisLocks

Found = TypeVar("Found")


class Command(BaseCommand):
    help = "Lists the locks that are held: name, owner, age, and time until each expires."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--break",
            dest="name",
            metavar="NAME",
            help="release this lock, even while a request holds it, and show its owner",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["name"]:
            self._break(options["name"])
        else:
            self._list()

    def _list(self) -> None:
        held = [
            (address, lock)
            for address, locks in self._ask_each(lambda server: server.held())
            for lock in locks
        ]
        if not held:
            self.stdout.write("No lock is held.")
            return
        rows = [("NAME", "HELD BY", "HELD FOR", "ENDS IN", "SERVER")]
        rows += [
            (lock.name, lock.owner, _seconds(lock.held_for_ms), _ends_in(lock), address)
            for address, lock in sorted(held, key=lambda row: (row[1].name, row[0]))
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())

    def _break(self, name: str) -> None:
        broken = [
            (address, lock)
            for address, lock in self._ask_each(lambda server: server.break_lock(name))
            if lock is not None
        ]
        if not broken:
            raise CommandError(f"No one holds {name}; list the held locks with manage.py locks.")
        for address, lock in broken:
            self.stdout.write(f"Released {name} on {address}; it was held by {lock.owner}.")

    def _ask_each(self, ask: Callable[[RedisLocks], Found]) -> Iterator[tuple[str, Found]]:
        """Each server's address and answer. Names servers that are down on stderr."""
        urls = getattr(settings, "LOCK_REDIS_URLS", None) or [getattr(settings, "REDIS_URL", "")]
        if not all(urls):
            raise CommandError("Set REDIS_URL, or LOCK_REDIS_URLS for a quorum, in the settings.")
        failed = []
        for url in urls:
            client = connect(url)
            address = breaker_of(client).address
            try:
                answer = ask(RedisLocks(client))
            except RedisError:
                failed.append(address)
                continue
            yield address, answer
        if len(failed) == len(urls):
            raise CommandError(f"Start Redis at {', '.join(failed)}; it does not answer.")
        for address in failed:
            self.stderr.write(f"Redis at {address} does not answer; its locks are not listed.")


def _seconds(duration_ms: int | None) -> str:
    return "unknown" if duration_ms is None else f"{duration_ms / 1000:.1f} s"


def _ends_in(lock: Held) -> str:
    # PTTL is -1 for a key that never expires. No lock is made like that.
    return "never" if lock.expires_in_ms < 0 else _seconds(lock.expires_in_ms)
