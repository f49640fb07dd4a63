"""The folder in which gunicorn's processes keep what they count, so that any of them can answer.

prometheus_client keeps the counts of a process in files of its own and adds up all files when it
is asked. What a dead process counted must stay, or a counter would go back, but its files must
not, or every restart would leave some. So the master adds them to one file of the dead.

gunicorn.conf.py calls this in the master, which must not import prometheus_client before the
folder is named in its environment: the library looks there while it is imported.
"""

import fcntl
import logging
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

PREFIX = "bookingsite-counts-"

# Process 0 is nobody's, so this is how the library sees the sum of the dead.
_DEAD = 0

# A folder is younger than this while its master has not locked it yet.
_SETTLED_AFTER_S = 60.0

# Held open, and so locked, for as long as the master or one of its children lives.
_in_use: list[TextIO] = []

# Whose files could not be added up when they died, since somebody was reading.
_waiting: set[int] = set()


def make_folder() -> str:
    """A fresh folder. Those of masters who were killed, and could not tidy up, are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # It may be somebody else's, or going away by itself.
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _SETTLED_AFTER_S and not _is_in_use(left):
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    in_use = (folder / "in_use").open("w")
    fcntl.flock(in_use, fcntl.LOCK_EX)
    _in_use.append(in_use)
    return str(folder)


def remove_folder(folder: str) -> None:
    """For a master that ends, once its workers have."""
    shutil.rmtree(folder, ignore_errors=True)


def bury(folder: str, pid: int, *, living: Collection[int]) -> None:
    """Keeps what a dead worker counted and removes its files. Raises nothing: the master's work
    is to serve."""
    _waiting.add(pid)
    try:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, folder)
        with _alone(folder):
            # A number may be in use again.
            for dead in sorted(_waiting.difference(living)):
                for kind in ("counter", "histogram"):
                    _add_up(Path(folder), kind, dead)
            _waiting.clear()
    except BlockingIOError:
        logger.info("counts_kept_apart")  # read along with the others until the next one dies
    except Exception:
        logger.exception("counts_not_added_up")


@contextmanager
def reading(folder: str) -> Iterator[None]:
    """While somebody reads all files, none is added to another: it would count twice, or not."""
    with open(Path(folder, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Waits for nobody, since a reader that is stopped would stop the master as well."""
    with open(Path(folder, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _add_up(folder: Path, kind: str, pid: int) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    of_worker, of_dead = (folder / f"{kind}_{number}.db" for number in (pid, _DEAD))
    sums: dict[str, float] = {}
    for file in (of_dead, of_worker):
        # A worker may die between making a file and writing into it.
        if file.exists() and file.stat().st_size:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                sums[key] = sums.get(key, 0.0) + value
    if sums:
        # Another name until it is whole, so that whatever ends the master ends nothing half-way.
        unfinished = folder / f"{kind}_unfinished"
        unfinished.unlink(missing_ok=True)
        summed = MmapedDict(str(unfinished))
        for key, value in sums.items():
            summed.write_value(key, value, 0.0)
        summed.close()
        unfinished.replace(of_dead)
    of_worker.unlink(missing_ok=True)


def _is_in_use(folder: Path) -> bool:
    with (folder / "in_use").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
