"""The runner's files in `var/`: the mark of a run in progress, and files for the owner only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"


class AlreadyRunning(Exception):
    """Another run holds the pid file; the message says which."""


class PidFile:
    """Marks a run in progress, by a lock on a file that its children inherit.

    The kernel releases the lock when the last of them has gone. So a file that a killed run left
    behind is stale, and no one has to judge process ids. A run that was just killed has ended only
    when its servers have closed their files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1

    def take(self, *, timeout_s: float = 20.0) -> None:
        """Hold the file, waiting for the children of a killed run to end."""
        deadline = time.monotonic() + timeout_s
        while not self._try():
            holder = self.holder()
            if holder is None and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            who = f"is running as process {holder}" if holder else "has not ended yet"
            raise AlreadyRunning(f"Another `make run` {who}: stop it first, with Ctrl-C there.")
        os.ftruncate(self.fd, 0)
        os.write(self.fd, f"{os.getpid()}\n".encode())

    def holder(self) -> int | None:
        """Return the process that wrote the file, if it is alive and the file is held."""
        try:
            with self.path.open("rb") as file:
                if _lock(file.fileno()):
                    return None
                pid = int(file.read())
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return pid

    def release(self) -> None:
        """Remove the file and release its lock."""
        if self.fd >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self.fd)
            self.fd = -1

    def _try(self) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        # The previous run may have removed the file between our opening and locking it.
        if _lock(fd) and self.path.exists() and os.path.samestat(os.fstat(fd), os.stat(self.path)):
            self.fd = fd
            return True
        os.close(fd)
        return False


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, or restrict an existing one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def open_private(path: Path) -> IO[bytes]:
    """Open a file for appending that only its owner may read."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(fd, 0o600)  # an existing file may have another mode
    return open(fd, "ab")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step with one that only its owner may read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def write_variables(path: Path, variables: dict[str, str]) -> None:
    """Write KEY=VALUE lines that only the owner may read."""
    write_private(path, "".join(f"{name}={value}\n" for name, value in variables.items()))


def read_variables(path: Path) -> dict[str, str]:
    """Read KEY=VALUE lines; a missing file counts as empty."""
    variables = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator:
                variables[name] = value
    return variables
