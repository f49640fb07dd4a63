"""`manage.py` explains in one sentence a fault that an operator can fix."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import ROOT

DEVELOPMENT = {"BOOKINGSITE_ENV": "development", "SECRET_KEY": "only-for-tests"}
NOWHERE = {"MONGODB_URI": "mongodb://127.0.0.1:1/", "REDIS_URL": "redis://127.0.0.1:1/0"}
LETTERS = {
    "SITE_URL": "https://bookings.example",
    "EMAIL_HOST": "127.0.0.1",
    "EMAIL_FROM": "bookings@bookings.example",
}
LONG_SECRET = "only-for-tests-0123456789-0123456789-0123456789-0123456789"  # noqa: S105

# A site that runs from this checkout must not pass its variables to the test.
WITHOUT_RUN_ENV = """
import pathlib, sys
import manage
manage.RUN_ENV = pathlib.Path("nowhere")
sys.argv[0] = "manage.py"
manage.main()
"""


@pytest.mark.parametrize(
    ("variables", "command", "sentence"),
    [
        ({}, "check", "Set SECRET_KEY"),
        ({"SECRET_KEY": "short", **NOWHERE}, "check", "at least 50"),
        ({"SECRET_KEY": LONG_SECRET}, "check", "Set MONGODB_URI"),
        ({"SECRET_KEY": LONG_SECRET, **NOWHERE, "API_THROTTLE": "off"}, "check", "API_THROTTLE"),
        ({"BOOKINGSITE_ENV": "staging"}, "check", "BOOKINGSITE_ENV"),
        ({**DEVELOPMENT, "EXPIRY_INTERVAL_S": "often"}, "check", "EXPIRY_INTERVAL_S"),
        ({**DEVELOPMENT, "EXPIRY_INTERVAL_S": "0"}, "check", "1 to 3600 seconds, not 0"),
        ({**DEVELOPMENT, "EXPIRY_INTERVAL_S": "-60"}, "check", "1 to 3600 seconds, not -60"),
        ({**DEVELOPMENT, "EXPIRY_INTERVAL_S": "3601"}, "check", "1 to 3600 seconds, not 3601"),
        ({**DEVELOPMENT, **NOWHERE}, "issue_token partner", "MongoDB cannot be reached"),
        pytest.param(
            *({**DEVELOPMENT, **NOWHERE}, "expire_bookings", "MongoDB cannot be reached"),
            marks=pytest.mark.slow,
        ),
        ({"SECRET_KEY": LONG_SECRET, **NOWHERE}, "check", "Set SITE_URL"),
        (
            {"SECRET_KEY": LONG_SECRET, **NOWHERE, **LETTERS, "SITE_URL": "bookings.example"},
            "check",
            "such as https://bookings.example, not 'bookings.example'",
        ),
        (
            {"SECRET_KEY": LONG_SECRET, **NOWHERE, **LETTERS, "SITE_URL": "http://a.example"},
            "check",
            "such as https://bookings.example",
        ),
        (
            {"SECRET_KEY": LONG_SECRET, **NOWHERE, **LETTERS},
            "seed_demo --users",
            "refused in production",
        ),
        ({**DEVELOPMENT, **NOWHERE}, "seed_demo --users", "Set DEMO_STAFF_PASSWORD"),
        ({**DEVELOPMENT, **NOWHERE}, "seed_demo --rooms -1", "Give --rooms a number"),
    ],
)
def test_says_what_to_mend(variables: dict[str, str], command: str, sentence: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_RUN_ENV, *command.split()],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode != 0
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


# A shell makes its background processes ignore Ctrl-C.
HEARING_CTRL_C = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{WITHOUT_RUN_ENV}
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("name", "first", "status", "sentence"),
    [
        (
            "init_replica_set",
            "Waiting for 127.0.0.1:1 ...\n",
            130,
            "Stopped; what is in place stays, and the same command goes on.",
        ),
        # It says nothing about what it leaves behind.
        pytest.param(
            *("doctor", "FAIL  replica set: MongoDB does not answer", None, ""),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ends_a_command_that_is_told_to_without_a_traceback(
    tmp_path: Path, number: signal.Signals, name: str, first: str, status: int | None, sentence: str
) -> None:
    """Without a handler, process 1 of a container would not receive the signal."""
    keyfile = tmp_path / "keyfile"
    keyfile.write_text("only-for-tests")
    command = subprocess.Popen(
        [sys.executable, "-c", HEARING_CTRL_C, name],
        env={
            "PATH": os.environ["PATH"],
            **DEVELOPMENT,
            "MONGODB_URI": "mongodb://a:b@127.0.0.1:1/?replicaSet=rs0&authSource=a",
            "MONGODB_ADMIN_PASSWORD": "c",
            "MONGODB_KEYFILE": str(keyfile),
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with command:
        assert command.stdout.readline().startswith(first)  # type: ignore[union-attr]
        command.send_signal(number)
        said = command.communicate(timeout=30)[1]

    assert command.returncode == (status or 128 + number)
    assert said.strip().removeprefix("CommandError: ") == sentence


HALF_MADE = f"""
import django.core.management

class Connection:
    def __init__(self):
        %s
        self.socket = None

    def __del__(self):
        self.socket.close()

django.core.management.execute_from_command_line = lambda _: Connection()
{WITHOUT_RUN_ENV}
"""


def test_says_nothing_of_what_a_signal_left_half_made() -> None:
    """PyMongo's transactions are such objects."""
    stopped = run_here(HALF_MADE % "raise KeyboardInterrupt")

    assert (stopped.returncode, stopped.stderr) == (130, "")


def test_does_report_an_error_in_the_destructor_of_a_whole_object() -> None:
    class_with_a_fault = HALF_MADE.replace("self.socket.close()", "raise ValueError('a fault')")

    assert "a fault" in run_here(class_with_a_fault % "pass").stderr


def run_here(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, "help"],
        env={"PATH": os.environ["PATH"], **DEVELOPMENT, **NOWHERE},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", [pytest.param("doctor", marks=pytest.mark.slow), "help"])
def test_ends_quietly_when_what_reads_its_lines_is_gone(name: str) -> None:
    """The first one sends each line at once, the other one all of them when it ends."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = subprocess.run(
            [sys.executable, "-c", WITHOUT_RUN_ENV, name],
            env={"PATH": os.environ["PATH"], **DEVELOPMENT, **NOWHERE},
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writer)

    assert (run.returncode, run.stderr) == (128 + signal.SIGPIPE, "")
