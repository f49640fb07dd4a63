"""However `make torture` ends, it leaves no process and no folder behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

# Three members, Redis, proxies, the world outside, two web servers of two processes, worker, beat.
PROCESSES = 13

STARTS_WITHIN_S = 180.0
ENDS_WITHIN_S = 120.0
# Workers of gunicorn look for their parent once in a while.
KILLED_WITHIN_S = 20.0


@dataclass
class Started:
    """A run in a process of its own. All its processes have `mark` in their environment."""

    process: subprocess.Popen[str]
    out: Path
    mark: str

    def wait_until_it_books(self) -> None:
        assert self.process.stdout
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while "successes/s" not in (line := self.process.stdout.readline()):
            assert line
            assert time.monotonic() < deadline_s

    def environments(self) -> list[bytes]:
        """Those of its processes."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                environment = path.read_bytes()
                if self.mark.encode() in environment:
                    found.append(environment)
        return found

    def work(self) -> Path:
        """The folder with its servers' files."""
        variables = b"\0".join(self.environments()).split(b"\0")
        (name,) = {each for each in variables if each.startswith(b"TORTURE_FOLDER=")}
        return Path(os.fsdecode(name.partition(b"=")[2]))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    mark = f"MARK_OF_A_TEST={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    out = tmp_path / "out"
    wanted = {"MINUTES": "1", "FAULTS": "none", "CLIENTS": "4", "SEED": "5", "OUT": str(out)}
    with subprocess.Popen(
        [sys.executable, "-m", "torture"],
        cwd=ROOT,
        env={**os.environ, **wanted, name: value},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Started(process, out, mark)
        process.kill()


def wait_until(is_so: Callable[[], bool], within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_judges_and_reports_a_run_that_was_stopped_and_leaves_nothing(started: Started) -> None:
    started.wait_until_it_books()
    work = started.work()
    assert len(started.environments()) >= PROCESSES

    started.process.send_signal(signal.SIGINT)
    said, _ = started.process.communicate(timeout=ENDS_WITHIN_S)

    assert started.process.returncode == 0, said
    assert "(stopped early): no violation." in (started.out / "report.md").read_text()
    figures = json.loads((started.out / "figures.json").read_text())
    assert sum(kind["ok"] for kind in figures["operations"].values()) > 0
    assert figures["was_stopped"] is True
    assert figures["bound"]
    assert "</svg>" in (started.out / "timeline.html").read_text()
    assert (started.out / "logs" / "web_a.log").exists()
    # The proxies end with their input.
    wait_until(lambda: not started.environments(), 5.0)
    assert not work.exists()


def test_leaves_nothing_even_if_it_is_killed(started: Started) -> None:
    started.wait_until_it_books()
    work = started.work()
    assert len(started.environments()) >= PROCESSES

    started.process.kill()
    started.process.wait()

    wait_until(lambda: not started.environments(), KILLED_WITHIN_S)
    assert not work.exists()
