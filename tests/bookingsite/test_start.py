"""What every process of the site does before its own work."""

from __future__ import annotations

import subprocess
import sys

from tests.site import ROOT

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
