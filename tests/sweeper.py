"""Removes the files of a test run that was killed: `python -m tests.sweeper PID FOLDER`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sweep_when_killed(folder: Path) -> Callable[[], None]:
    """Has `folder` removed once this process has ended, in whatever way.

    Servers do not need it (the kernel ends them with their parent), but their files do. Returns
    what removes the folder at once.
    """
    sweeper = subprocess.Popen(
        [sys.executable, "-m", "tests.sweeper", str(os.getpid()), str(folder)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        sweeper.kill()
        sweeper.wait()

    return remove


def sweep(pid: int, folder: Path) -> None:
    """Wait until the parent `pid` has ended, then remove `folder`."""
    while os.getppid() == pid and folder.exists():
        time.sleep(0.2)
    # Workers of a killed run may need a moment to die, and write until then.
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.2)


if __name__ == "__main__":
    sweep(int(sys.argv[1]), Path(sys.argv[2]))
