"""The folder in which gunicorn's processes keep their counts, so that any of them can answer.

prometheus_client keeps each process's counts in its own files and adds up all files when it is
asked. A dead process's counts must stay, or counters would go backwards. Its files must not, or
every restart would leave some behind. So the master adds them to one file for all dead processes.

gunicorn.conf.py calls this in the master, which must not import prometheus_client before the
folder is named in its environment: the library reads that variable on import.
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

# No process has the number 0, so the library sees the sum of the dead ones as process 0.
_DEAD = 0

# A folder this young may belong to a master that has not locked it yet.
_SETTLED_AFTER_S = 60.0

# These files stay open, and so locked, as long as the master or one of its children lives.
_in_use: list[TextIO] = []

# Dead workers whose files could not be added up yet because a process was reading them.
_waiting: set[int] = set()


def make_folder() -> str:
    """Makes a fresh folder, and removes those of masters that were killed before they tidied up."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # It may belong to another user, or be on its way out.
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _SETTLED_AFTER_S and not _is_in_use(left):
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    in_use = (folder / "in_use").open("w")
    fcntl.flock(in_use, fcntl.LOCK_EX)
    _in_use.append(in_use)
    return str(folder)


def remove_folder(folder: str) -> None:
    """Removes the folder when the master ends, after its workers."""
    shutil.rmtree(folder, ignore_errors=True)


def bury(folder: str, pid: int, *, living: Collection[int]) -> None:
    """Keeps a dead worker's counts and removes its files. Raises nothing: the master must go on
    serving."""
    _waiting.add(pid)
    try:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, folder)
        with _alone(folder):
            # A living process may have been given the number of a dead one.
            for dead in sorted(_waiting.difference(living)):
                for kind in ("counter", "histogram"):
                    _add_up(Path(folder), kind, dead)
            _waiting.clear()
    except BlockingIOError:
        logger.info("counts_kept_apart")  # read with the others until the next worker dies
    except Exception:
        logger.exception("counts_not_added_up")


@contextmanager
def reading(folder: str) -> Iterator[None]:
    """Keeps files from being merged while they are read: a count could be read twice or missed."""
    with open(Path(folder, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Locks without waiting, since a reader that hangs would stop the master as well."""
    with open(Path(folder, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _add_up(folder: Path, kind: str, pid: int) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    of_worker, of_dead = (folder / f"{kind}_{number}.db" for number in (pid, _DEAD))
    sums: dict[str, float] = {}
    for file in (of_dead, of_worker):
        # A worker may die between creating a file and writing to it.
        if file.exists() and file.stat().st_size:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                sums[key] = sums.get(key, 0.0) + value
    if sums:
        # The file gets its name once it is complete, so that a killed master leaves no half file.
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
