"""What every process of the site does before its own work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.children import spawn
from tests.site import ROOT

SAYS = "photos_cannot_be_kept"

START = """
import sys
sys.addaudithook(lambda event, said: event == "subprocess.Popen" and print(said[1]))
import bookingsite.wsgi
"""


def test_starts_without_running_any_other_program(environment: dict[str, str]) -> None:
    """The backend looks for GDAL with 108 of them."""
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == ""


@pytest.mark.mongo
@pytest.mark.parametrize("is_wrong", [True, False])
@pytest.mark.parametrize(
    "argv",
    [
        ("gunicorn", "bookingsite.wsgi", "--bind", "127.0.0.1:0", "--workers", "1"),
        ("celery", "-A", "bookingsite", "worker", "--pool", "solo"),
    ],
    ids=["web", "worker"],
)
def test_says_at_its_start_that_photos_cannot_be_kept(
    database: None,
    environment: dict[str, str],
    tmp_path: Path,
    argv: tuple[str, ...],
    is_wrong: bool,
) -> None:
    folder, log_path = tmp_path / "photos", tmp_path / "log"
    if is_wrong:
        folder.write_text("This is a file.")
    with log_path.open("wb") as log:
        process = spawn(
            [sys.executable, "-m", *argv],
            output=log,
            death_signal=signal.SIGKILL,
            env={**environment, "PHOTOS_FOLDER": str(folder)},
        )
    try:
        ends_at_s = time.monotonic() + 60
        while not (SAYS in log_path.read_text() or folder.is_dir()):
            assert time.monotonic() < ends_at_s, log_path.read_text()
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    said = [line for line in log_path.read_text().splitlines() if SAYS in line]
    assert [json.loads(line)["detail"] for line in said] == is_wrong * [
        f"Photos cannot be written into {folder}; let the site's user write there, mount the "
        "volume, or set PHOTOS_FOLDER to nothing."
    ]
