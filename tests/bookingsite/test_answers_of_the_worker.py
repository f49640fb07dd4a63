"""What the worker itself answers arrives, and so does an answer without a body."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from local.children import Child
from local.servers import free_port
from tests.site import ROOT, Site


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[str]:
    """gunicorn with our worker and an application that fails outside Django."""
    port = free_port()
    log = tmp_path_factory.mktemp("worker") / "log"
    argv = [
        *(sys.executable, "-m", "gunicorn", "tests.bookingsite.failing_app:application"),
        *("--config", str(ROOT / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{port}"),
    ]
    child = Child(
        name="worker", argv=argv, log_path=log, death_signal=signal.SIGKILL, env=environment
    )
    child.start()
    url = f"http://127.0.0.1:{port}"
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            requests.get(url, timeout=5)
            break
        except requests.RequestException:
            time.sleep(0.05)
    yield url
    child.stop()


@pytest.mark.parametrize("path", ["before-the-head", "bad-header"])
def test_says_that_something_went_wrong_outside_django(failing: str, path: str) -> None:
    page = requests.get(f"{failing}/{path}", timeout=5)
    answer = requests.get(f"{failing}/api/{path}", timeout=5)

    assert (page.status_code, answer.status_code) == (500, 500)
    assert answer.json()["code"] == "SERVER_ERROR"


def test_answers_a_head_on_a_connection_that_goes_on(failing: str) -> None:
    with requests.Session() as session:
        answers = [session.request(method, failing, timeout=5) for method in ("HEAD", "GET") * 2]

    assert [(answer.status_code, answer.content) for answer in answers] == [
        (200, b""),
        (200, b"ok"),
    ] * 2


@pytest.mark.site
def test_sends_an_answer_that_has_no_body(site: Site) -> None:
    head = requests.head(f"{site.url}/api/health", timeout=5)

    assert (head.status_code, head.content) == (200, b"")
