"""`manage.py locks`, against the run's Redis and against servers that are down."""

from __future__ import annotations

import os
import re
import socket
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from local.servers import Server, free_port
from locks.connection import GuardedRedis, connect
from locks.redis_lock import RedisLocks

pytestmark = pytest.mark.redis

ME = f"{socket.gethostname()}:{os.getpid()}"


@pytest.fixture
def locks(client: GuardedRedis) -> RedisLocks:
    return RedisLocks(client)


def run(*arguments: str) -> tuple[str, str]:
    """Returns the command's output, and its output on stderr."""
    out, err = StringIO(), StringIO()
    call_command("locks", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_says_so_when_nothing_is_held(locks: RedisLocks) -> None:
    assert run() == ("No lock is held.\n", "")


def test_lists_what_is_held_by_whom_and_for_how_long(locks: RedisLocks) -> None:
    locks.acquire(["demo|2027-02-15|room_B", "demo|2027-02-15|room_A"], ttl_ms=15_000)

    out, err = run()

    header, first, second = out.splitlines()
    assert re.split(r"\s{2,}", header) == ["NAME", "HELD BY", "HELD FOR", "ENDS IN", "SERVER"]
    name, owner, held_for, ends_in, server = re.split(r"\s{2,}", first)
    assert (name, owner) == ("demo|2027-02-15|room_A", ME)
    assert 0 <= float(held_for.removesuffix(" s")) < 2
    assert 13 < float(ends_in.removesuffix(" s")) <= 15
    assert server in os.environ["REDIS_URL"]
    assert second.startswith("demo|2027-02-15|room_B  ")
    assert err == ""


def test_lists_a_lock_of_somebody_else(client: GuardedRedis) -> None:
    client.set("lock:odd", "somebody")

    assert re.search(r"^odd +somebody +unknown +never +", run()[0], re.MULTILINE)


def test_frees_one_and_says_whose_it_was(locks: RedisLocks, client: GuardedRedis) -> None:
    locks.acquire(["a", "b"], ttl_ms=15_000)

    out, _ = run("--break", "a")

    assert re.fullmatch(rf"Released a on 127\.0\.0\.1:\d+; it was held by {re.escape(ME)}\.\n", out)
    assert client.keys() == [b"lock:b"]


def test_says_so_when_nobody_holds_it(locks: RedisLocks) -> None:
    with pytest.raises(CommandError, match="^No one holds a; "):
        run("--break", "a")


@pytest.mark.parametrize("arguments", [(), ("--break", "a")])
def test_says_what_to_do_when_redis_is_down(settings: Settings, arguments: tuple[str, ...]) -> None:
    port = free_port()
    settings.REDIS_URL = f"redis://:secret@127.0.0.1:{port}/0"

    with pytest.raises(CommandError) as caught:
        run(*arguments)

    assert str(caught.value) == f"Start Redis at 127.0.0.1:{port}; it does not answer."


def test_needs_one_setting_alone(
    settings: Settings, client: GuardedRedis, locks: RedisLocks
) -> None:
    del settings.LOCK_REDIS_URLS
    locks.acquire(["a"], ttl_ms=15_000)

    assert run()[0].splitlines()[1].split()[0] == "a"
    del settings.REDIS_URL
    with pytest.raises(CommandError, match=r"^Set REDIS_URL, or LOCK_REDIS_URLS "):
        run()


def test_lists_each_server_of_a_quorum(
    settings: Settings, own_redis: Server, locks: RedisLocks
) -> None:
    dead = free_port()
    urls = [os.environ["REDIS_URL"], own_redis.uri, f"redis://127.0.0.1:{dead}/0"]
    settings.LOCK_REDIS_URLS = urls
    locks.acquire(["a"], ttl_ms=15_000)
    RedisLocks(connect(own_redis.uri)).acquire(["a", "b"], ttl_ms=15_000)

    listed, warned = run()
    freed, warned_again = run("--break", "a")

    assert [line.split()[0] for line in listed.splitlines()] == ["NAME", "a", "a", "b"]
    assert listed.count(f"127.0.0.1:{own_redis.port}") == 2
    assert freed.count("Released a on 127.0.0.1:") == 2
    assert warned == warned_again
    assert f"Redis at 127.0.0.1:{dead} does not answer" in warned
    assert [line.split()[0] for line in run()[0].splitlines()] == ["NAME", "b"]
