"""A mail server for the tests, and a real worker that sends its mails there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from local.servers import free_port
from tests.site import ROOT

SITE_URL = "https://bookings.example"


@dataclass
class Mailbox:
    """A mail server that keeps the mails it receives, and refuses as often as a test asks."""

    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[LoginPassword] = field(default_factory=list)
    refusals: int = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refusals:
            self.refusals -= 1
            return "451 Come again later"
        self.letters.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        self.recipients.append(envelope.rcpt_tos)
        return "250 Taken"

    def authenticate(self, _s: Any, _x: Any, _e: Any, _m: Any, login: LoginPassword) -> AuthResult:
        self.logins.append(login)
        return AuthResult(success=True)

    def wait_for(self, number: int) -> EmailMessage:
        deadline_s = time.monotonic() + 30
        while len(self.letters) < number:
            assert time.monotonic() < deadline_s, "no letter came"
            time.sleep(0.1)
        return self.letters[number - 1]


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    kept, port = Mailbox(), free_port()
    server = Controller(
        kept,
        hostname="127.0.0.1",
        port=port,
        authenticator=kept.authenticate,
        auth_require_tls=False,
    )
    server.start()
    yield kept, port
    server.stop()


def mail_variables(port: int) -> dict[str, str]:
    """The variables that make a process send its mails there."""
    return {
        "SITE_URL": SITE_URL,
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(port),
        "EMAIL_USER": "bookings",
        "EMAIL_PASSWORD": "mail-s3cret",
        "EMAIL_SECURITY": "none",
        "EMAIL_FROM": "Bookings <bookings@bookings.example>",
    }


@pytest.fixture
def worker(
    database: None,
    environment: dict[str, str],
    mailbox: tuple[Mailbox, int],
    tmp_path: Path,
) -> Iterator[Path]:
    """A running worker with its own beat; yields its log."""
    log_path = tmp_path / "worker.log"
    variables = {**environment, **mail_variables(mailbox[1])}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "bookingsite", "worker", "--beat"),
                *("--schedule", str(tmp_path / "schedule"), "--pool", "threads", "-l", "INFO"),
            ],
            cwd=ROOT,
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield log_path
    os.killpg(process.pid, signal.SIGKILL)  # a clean end takes longer than the test
    process.wait()
