"""Letters on their whole way: requested on the site, sent by the real worker to a mail server."""

from __future__ import annotations

import re
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests
from aiosmtpd.smtp import LoginPassword

from bookings.infrastructure.connections import collection
from tests.mailbox import SITE_URL, Mailbox
from tests.site import Site
from tests.site_fixtures import Starter

pytestmark = pytest.mark.site

PASSWORD = "correct horse battery"


class Browser:
    """A person's browser at the site; `host` is the site's name in its requests."""

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

    assert "Check your inbox" in browser.post("/register", email="Ada@Example.org").text
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
