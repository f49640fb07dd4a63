"""Mails about bookings on their whole way, and workers that are killed at every point of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from icalendar import Calendar

from bookings.infrastructure.connections import collection
from bookings.news import deliveries
from tests.calls import CUSTOMER, book, cancel
from tests.conftest import night, says
from tests.faults import Faults
from tests.mailbox import Mailbox, mail_variables
from tests.news.test_outbox import delivered, let_time_pass
from tests.site import ROOT

pytestmark = pytest.mark.site

GUEST = {"name": "Ada", "email": "ada@example.org"}

# A worker's two tasks once, in a separate process, which stops where the test says.
RUN = """
import os, pathlib, django
django.setup()
from bookings import points, tasks
from tests.faults import Faults
points.install(Faults(pathlib.Path(os.environ["TEST_FAULTS"])))
tasks.pass_on_news()
tasks.send_notifications()
"""


@pytest.mark.slow
def test_reaches_the_guest_by_worker_and_beat(
    database: None, worker: Path, mailbox: tuple[Mailbox, int]
) -> None:
    kept, _ = mailbox
    kept.refusals = 1
    outcome = book(caller=CUSTOMER, guest=GUEST)
    cancel(book("other", caller=CUSTOMER, guest=GUEST, date=night(40)), actor=CUSTOMER)

    kept.wait_for(1)
    let_time_pass(deliveries.RETRIES.first_wait_ms)
    kept.wait_for(2)

    by_subject = {mail["Subject"].partition(":")[0]: mail for mail in kept.letters}
    assert sorted(by_subject) == ["Booked", "Cancelled"]
    booked = by_subject["Booked"]
    assert booked["To"] == "ada@example.org"
    assert booked["Message-ID"] == (
        f"<{outcome.content['booking']['id']}-1-confirmed@bookings.example>"
    )
    (stay,) = booked.iter_attachments()
    assert stay.get_content_type() == "text/calendar"
    assert stay.get_filename() == f"{outcome.content['booking']['reference']}.ics"
    assert len(Calendar.from_ical(stay.get_content()).walk("VEVENT")) == 1
    log = worker.read_text()
    assert "notification_sent" in log
    assert not says(log, "ada")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "mails"), [("after_deliveries", 1), ("before_mail", 1), ("after_mail", 2)]
)
def test_loses_no_mail_and_makes_no_second_one_when_killed(
    database: None,
    environment: dict[str, str],
    mailbox: tuple[Mailbox, int],
    tmp_path: Path,
    point: str,
    mails: int,
) -> None:
    kept, port = mailbox
    faults = Faults(tmp_path)
    variables = {**environment, **mail_variables(port), "TEST_FAULTS": str(tmp_path)}
    book(caller=CUSTOMER, guest=GUEST)

    def work() -> int:
        done = subprocess.run(
            [sys.executable, "-c", RUN], cwd=ROOT, env=variables, check=False, timeout=60
        )
        return done.returncode

    faults.arm(point, "kill")
    assert work() == -signal.SIGKILL
    let_time_pass(deliveries.RETRIES.first_wait_ms)
    assert [work(), work()] == [0, 0]

    assert len(kept.letters) == mails
    assert len({mail["Message-ID"] for mail in kept.letters}) == 1
    assert [delivery["state"] for delivery in delivered()] == ["sent"]
    assert collection("bookings").count_documents({"outbox.0": {"$exists": True}}) == 0
