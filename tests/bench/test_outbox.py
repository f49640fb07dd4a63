"""`bench.outbox` has every mail and webhook delivered, and leaves no receiver behind."""

from __future__ import annotations

import http.client
import smtplib
import subprocess
import sys

import pytest

from bench.outbox import own_receivers
from tests.site import ROOT


def test_receives_mails_and_webhooks_in_processes_of_their_own() -> None:
    with own_receivers() as (mail_port, port):
        with smtplib.SMTP("127.0.0.1", mail_port) as server:
            refused = server.sendmail("a@example.org", ["b@example.org"], "Subject: a\r\n\r\nb")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/", b"x" * 5_000)
        status = connection.getresponse().status

    assert refused == {}
    assert status == 204
    for closed in (mail_port, port):
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", closed, timeout=10).connect()


@pytest.mark.slow
@pytest.mark.mongo
def test_delivers_all_mails_and_webhooks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.outbox", "20"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for said in (
        "40 deliveries passed on",
        "20 mails sent",
        "20 webhooks sent to one endpoint",
        "20 webhooks sent to 8 endpoints",
    ):
        assert said in done.stdout


@pytest.mark.parametrize("number", ["0", "many", "50001"])
def test_refuses_a_number_that_makes_no_sense(number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.outbox", number],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
