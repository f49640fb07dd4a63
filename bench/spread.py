"""Shows how connections spread over gunicorn's processes: `python -m bench.spread [FOLDER ...]`.

Each folder is a version of the site (default: this one). wrk opens 32 connections at once, in
several rounds, and each line says how many sockets every process has while it runs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.load.stack import ROOT, MeasuredSite, Stack

ROUNDS, CONNECTIONS = 4, 32


def main(folders: list[str]) -> None:
    for folder in folders or [str(ROOT)]:
        with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
            stack = Stack(Path(name))
            try:
                site = stack.start_site(Path(folder).resolve(), "site")
                for _ in range(ROUNDS):
                    print(folder, ask(site))  # noqa: T201
            finally:
                stack.close()


def ask(site: MeasuredSite) -> list[int]:
    """The number of sockets of each process while wrk asks for its health."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("Install wrk first: sudo apt-get install wrk")
    asking = subprocess.Popen(
        [wrk, "-t1", f"-c{CONNECTIONS}", "-d2s", f"{site.target.url}/api/health"],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(1)  # by then all have been accepted
    sockets = [sockets_of(pid) for pid in site.workers()]
    asking.wait()
    return sockets


def sockets_of(pid: int) -> int:
    found = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(fd).startswith("socket:")
        except OSError:
            continue  # closed meanwhile
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
