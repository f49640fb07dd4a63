"""Production's settings, with three openings for faults. Only processes of a run use them.

TORTURE_FOLDER has what the run leaves for its site: faults to meet at points (tests/faults.py), and
how far the clock of each kind of process is off. TORTURE_WITHOUT names the guards that are off.
"""

import os
import threading
import time
from pathlib import Path

from bookings import points
from bookingsite.settings import *  # noqa: F403
from bookingsite.settings import INSTALLED_APPS as _INSTALLED_APPS
from tests.faults import Faults

INSTALLED_APPS = [*_INSTALLED_APPS, "torture.apps.TortureConfig"]

_folder = Path(os.environ["TORTURE_FOLDER"])
_part = os.environ.get("TORTURE_PART", "command")
TORTURE_WITHOUT = [name for name in os.environ.get("TORTURE_WITHOUT", "").split(",") if name]

points.install(Faults(_folder / "points"))

CLOCK_POLL_S = 0.2


def _keep_clock_off(offset_file: Path) -> None:
    """Moves this process's clock by what the file says, whenever it says something else."""
    import datetime

    import time_machine

    moved, traveller = 0.0, None
    while True:
        try:
            wanted = float(offset_file.read_text())
        except (FileNotFoundError, ValueError):
            wanted = 0.0
        if wanted != moved:
            if traveller:
                traveller.stop()
                traveller = None
            moved = wanted
            if wanted:
                there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=wanted)
                traveller = time_machine.travel(there, tick=True)
                traveller.start()
        time.sleep(CLOCK_POLL_S)


if _part in ("web", "worker", "beat"):
    threading.Thread(
        target=_keep_clock_off,
        args=(_folder / "clocks" / _part,),
        name="clock",
        daemon=True,
    ).start()
