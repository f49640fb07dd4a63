"""Letters on their whole way: asked for on the site, sent by the real worker to a mail server."""

from __future__ import annotations

import os
import re
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
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from bookings.connections import collection
from local.servers import free_port
from tests.site.conftest import Starter
from tests.site.site import ROOT, Site

SITE_URL = "https://bookings.example"
PASSWORD = "correct horse battery"


@dataclass
class Mailbox:
    """A mail server that keeps what it is given, and refuses as often as it is told to."""

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


@pytest.fixture
def worker(
    database: None,
    environment: dict[str, str],
    mailbox: tuple[Mailbox, int],
    tmp_path: Path,
) -> Iterator[Path]:
    """A running worker with its own beat; gives its log."""
    log_path = tmp_path / "worker.log"
    variables = {
        **environment,
        "SITE_URL": SITE_URL,
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mailbox[1]),
        "EMAIL_USER": "bookings",
        "EMAIL_PASSWORD": "mail-s3cret",
        "EMAIL_SECURITY": "none",
        "EMAIL_FROM": "Bookings <bookings@bookings.example>",
    }
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


class Browser:
    """A person's browser at the site; `host` is what it says the site is called."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.site.url + path, timeout=30)

    def post(self, path: str, **fields: str) -> requests.Response:
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', self.get(path).text)
        assert token is not None
        return self.session.post(
            self.site.url + path, {**fields, "csrfmiddlewaretoken": token[1]}, timeout=30
        )


@pytest.mark.slow
def test_leads_from_a_letter_to_an_account_and_to_a_new_password(
    site: Site, worker: Path, mailbox: tuple[Mailbox, int]
) -> None:
    kept, _ = mailbox
    browser = Browser(site)

    assert "Look into your mailbox" in browser.post("/register", email="Ada@Example.org").text
    letter = kept.wait_for(1)
    path = link_in(letter)
    page = browser.get(path)
    assert page.url == f"{site.url}/register/finish"
    fields = {"name": "Ada Love", "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert "Log out" in browser.post("/register/finish", **fields).text

    other = Browser(site)
    other.post("/password", email="ada@example.org")
    other.get(link_in(kept.wait_for(2)))
    new = {"new_password1": "another battery", "new_password2": "another battery"}
    assert "Log out" in other.post("/password/new", **new).text
    assert "Log out" not in browser.get("/").text

    assert letter["To"] == "ada@example.org"
    assert letter["From"] == "Bookings <bookings@bookings.example>"
    assert letter["Message-ID"].endswith("@bookings.example>")
    assert letter["Date"]
    assert kept.recipients == [["ada@example.org"]] * 2
    assert kept.logins[0] == LoginPassword(b"bookings", b"mail-s3cret")
    logs = site.log_path.read_text() + worker.read_text()
    assert '"event": "letter_sent"' in logs
    for secret in ("example.org", "Love", PASSWORD, "mail-s3cret", path.split("/")[-1]):
        assert secret not in logs, secret


@pytest.mark.slow
def test_sends_again_what_the_server_did_not_take(
    site: Site, worker: Path, mailbox: tuple[Mailbox, int]
) -> None:
    kept, _ = mailbox
    kept.refusals = 1
    Browser(site).post("/register", email="ada@example.org")
    deadline_s = time.monotonic() + 30
    while '"event": "letter_not_sent"' not in worker.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert kept.letters == []

    collection("letters").update_one({}, [{"$set": {"next_try_at": "$$NOW"}}])

    kept.wait_for(1)
    time.sleep(0.2)
    assert len(kept.letters) == 1


@pytest.mark.slow
def test_throttles_a_form_on_the_running_site(start: Starter) -> None:
    browser = Browser(start(API_THROTTLE="on"))

    answers = [browser.post("/register", email="ada@example.org") for _ in range(6)]

    # The sixth letter to one mailbox within the hour, unless the hour has just ended.
    assert [answer.status_code for answer in answers][:5] == [200] * 5
    assert answers[5].status_code == 429
    assert int(answers[5].headers["Retry-After"]) > 0
    assert "then try again" in answers[5].text


def link_in(letter: EmailMessage) -> str:
    (link,) = re.findall(rf"^{SITE_URL}(/\S+)\r?$", letter.get_content(), re.MULTILINE)
    return str(link)
