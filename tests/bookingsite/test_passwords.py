"""Hashes take the memory of one, however many are asked for, and a turn that does not come ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

import bookingsite.settings
from bookings.refusals import TryAgain
from bookingsite import passwords
from bookingsite.passwords import PasswordHasher

PASSWORD = "correct horse battery"

# From four threads, as many as a process of gunicorn has: new hashes, whose memory each thread
# might keep, and then hashes of an earlier release. It prints what came on top of a process that
# keeps the memory of one hash, in KiB: what is kept, and the most.
FROM_FOUR_THREADS = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from django.contrib.auth.hashers import check_password, make_password
from bookingsite import passwords

def read_kib(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

# As many as have a thread, so that it is the thread that keeps the memory down.
passwords.WAIT_S, passwords._asking = 120, BoundedSemaphore(4)
make_password("once"), make_password("twice")
before = read_kib("VmRSS")
with ThreadPoolExecutor(4) as pool:
    list(pool.map(make_password, ["new"] * 12))
    print(read_kib("VmRSS") - before)
    list(pool.map(lambda typed: check_password(typed, sys.argv[1]), ["wrong"] * 3))
    print(read_kib("VmHWM") - before)
"""

# A thread asks while the process forks, and the child hashes one more time than may ask at once.
AFTER_A_FORK = """
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from django.contrib.auth.hashers import make_password
from bookingsite import passwords

release, has_begun = Event(), Event()
with ThreadPoolExecutor(1) as pool:
    pool.submit(passwords._in_turn, lambda: (has_begun.set(), release.wait(30)))
    assert has_begun.wait(30)
    child = os.fork()
    if child == 0:
        hashes = [make_password("once"), make_password("twice"), make_password("thrice")]
        os._exit(len(set(hashes)))
    release.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(autouse=True)
def _hashers_of_the_site(settings: Any) -> None:
    settings.PASSWORD_HASHERS = bookingsite.settings.PASSWORD_HASHERS


@pytest.fixture
def earlier() -> str:
    """A hash as all were before this release."""
    hasher = Argon2PasswordHasher()
    return hasher.encode(PASSWORD, hasher.salt())


@pytest.fixture
def busy() -> Iterator[Event]:
    """A hash that is being made until the event is set."""
    release, has_begun = Event(), Event()
    passwords._hashing.submit(lambda: (has_begun.set(), release.wait(30)))
    assert has_begun.wait(30)
    yield release
    release.set()


def run_alone(script: str, *arguments: str) -> str:
    """Returns what the script prints in its own process."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bookingsite.settings",
            "BOOKINGSITE_ENV": "development",
            "SECRET_KEY": "only-for-tests",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_hashes_as_owasp_recommends() -> None:
    stored = make_password(PASSWORD)

    assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password(PASSWORD, stored)
    assert not check_password("wrong", stored)


def test_takes_hashes_of_earlier_releases_and_replaces_them(earlier: str) -> None:
    replaced: list[str] = []

    assert check_password(PASSWORD, earlier, setter=replaced.append)
    assert not check_password("wrong", earlier, setter=replaced.append)
    assert check_password(PASSWORD, make_password(PASSWORD), setter=replaced.append)

    assert replaced == [PASSWORD]


def test_takes_the_memory_of_one_hash_for_however_many(earlier: str) -> None:
    kept_kib, most_kib = map(int, run_alone(FROM_FOUR_THREADS, earlier).split())

    # Half of one more would be one more.
    assert kept_kib < PasswordHasher.memory_cost / 2
    assert most_kib < Argon2PasswordHasher.memory_cost * 1.5


def test_gives_up_when_its_turn_does_not_come(busy: Event, monkeypatch: Any) -> None:
    monkeypatch.setattr(passwords, "WAIT_S", 0.01)
    hashed = []
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda *_: hashed.append(1))

    with pytest.raises(TryAgain):
        make_password(PASSWORD)

    monkeypatch.setattr(passwords, "WAIT_S", 60.0)
    busy.set()
    make_password(PASSWORD)
    assert len(hashed) == 1  # no thread waits for the other one any longer


def test_lets_half_of_the_threads_that_serve_ask_at_once() -> None:
    gunicorn = (Path(__file__).resolve().parents[2] / "gunicorn.conf.py").read_text("utf-8")
    (threads,) = re.findall(r"^threads = (\d+)$", gunicorn, re.MULTILINE)

    assert int(threads) == 2 * passwords.ASKING_AT_ONCE
    assert passwords.AT_ONCE < passwords.ASKING_AT_ONCE


def test_hashes_in_a_process_that_was_forked() -> None:
    assert run_alone(AFTER_A_FORK).split() == ["3"]


def test_finishes_a_hash_that_has_begun(monkeypatch: Any) -> None:
    monkeypatch.setattr(passwords, "WAIT_S", 0.01)
    release, has_begun = Event(), Event()

    def hash_slowly(*_: Any) -> str:
        has_begun.set()
        assert release.wait(30)
        return "hashed"

    monkeypatch.setattr(Argon2PasswordHasher, "encode", hash_slowly)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(make_password, PASSWORD)
        assert has_begun.wait(30)
        release.set()

        assert asked.result(30) == "hashed"
