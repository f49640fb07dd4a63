"""Faults at a point of the flow, which a running site reads from a folder of files.

A test writes the file `<point>` with an action in it. The first thread of the site to reach the
point removes the file and carries out the action:

    kill         writes the pid of its own process into `killed`, then sends it SIGKILL
    pause [S]    writes its pid into `paused`, then waits for the file `go`, for S seconds at most
    sleep S      sleeps that many seconds
"""

import os
import signal
import time
from pathlib import Path

# No thread waits for longer than this unless it is told to, whatever happened to the test.
LONGEST_PAUSE_S = 20.0


class Faults:
    """The handler for `bookings.points.install`, and the test's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, point: str) -> None:
        waiting = self.folder / point
        taken = self.folder / f"{point}.{os.getpid()}"
        try:
            waiting.rename(taken)
        except FileNotFoundError:
            return
        action, _, argument = taken.read_text().partition(" ")
        if action == "kill":
            (self.folder / "killed").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "pause":
            (self.folder / "paused").write_text(str(os.getpid()))
            deadline_s = time.monotonic() + float(argument or LONGEST_PAUSE_S)
            while not (self.folder / "go").exists() and time.monotonic() < deadline_s:
                time.sleep(0.01)
        elif action == "sleep":
            time.sleep(float(argument))
        else:
            raise ValueError(f"no such action: {action}")

    def arm(self, point: str, action: str) -> None:
        """Has the next thread to reach the point carry out the action, once."""
        temporary = self.folder / "arming"
        temporary.write_text(action)
        temporary.rename(self.folder / point)

    def disarm(self, point: str) -> bool:
        """Takes the action back. Returns whether no thread has reached the point."""
        try:
            (self.folder / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def wait_for(self, name: str, timeout_s: float = 10.0) -> int:
        """Waits until a process reports `killed` or `paused`; returns its pid."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            if (self.folder / name).exists() and (text := (self.folder / name).read_text()):
                return int(text)
            time.sleep(0.01)
        raise AssertionError(f"no process was {name} within {timeout_s} s")

    def go(self) -> None:
        """Lets the paused thread continue."""
        (self.folder / "go").write_text("")

    def stay(self) -> None:
        """Has the next thread to pause wait for `go` again."""
        (self.folder / "go").unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes everything between two tests."""
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)
