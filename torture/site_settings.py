"""Production's settings, with three openings for faults. Only processes of a run use them.

TORTURE_FOLDER has what the run leaves for its site: faults to meet at points (tests/faults.py), and
how far the clock of each kind of process is off. TORTURE_WITHOUT names the guards that are off.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bookings import points
from bookingsite.settings import *  # noqa: F403
from bookingsite.settings import INSTALLED_APPS as _INSTALLED_APPS
from tests.faults import Faults

if TYPE_CHECKING:
    import time_machine

INSTALLED_APPS = [*_INSTALLED_APPS, "torture.apps.TortureConfig"]

_folder = Path(os.environ["TORTURE_FOLDER"])
_part = os.environ.get("TORTURE_PART", "command")
TORTURE_WITHOUT = [name for name in os.environ.get("TORTURE_WITHOUT", "").split(",") if name]

points.install(Faults(_folder / "points" / _part))

CLOCK_POLL_S = 0.2


def _keep_clock_off(clock: time_machine.Traveller, offset_file: Path) -> None:
    """Moves this process's clock by what the file says, whenever it says something else.

    Clocks that no one sets (time.monotonic) go on as they are, as on a machine.
    """
    moved_s = 0.0
    while True:
        try:
            wanted_s = float(offset_file.read_text())
        except FileNotFoundError:
            wanted_s = 0.0
        if wanted_s != moved_s:
            clock.shift(wanted_s - moved_s)
            moved_s = wanted_s
        time.sleep(CLOCK_POLL_S)


if _part in ("web", "worker", "beat"):
    import time_machine

    # While there is one thread. To start or move a journey is several steps, and a thread that asks
    # for the time between them gets an error or a wild time; `shift` is one step.
    _clock = time_machine.travel(time.time(), tick=True).start()
    time.time()
    threading.Thread(
        target=_keep_clock_off,
        args=(_clock, _folder / "clocks" / _part),
        name="clock",
        daemon=True,
    ).start()
