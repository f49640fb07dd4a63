"""Removes the files of a test run that was killed: `python -m tests.sweeper PID FOLDER`."""

import os
import shutil
import sys
import time
from pathlib import Path


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
