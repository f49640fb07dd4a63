"""A disk without room under a member, and members whose clocks differ."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from local.children import Child
from local.servers import Server
from torture.faults import Phases, fault
from torture.faults.mongodb.healing import (
    LOOK_MS,
    NO_PRIMARY,
    ORDER_MS,
    find_primary,
    healed,
    is_secondary,
    order,
    others,
    wait_until,
)
from torture.stack import Stack

# The member needs room for its journal's next files before it is full.
ROOM_KIB = 450 * 1024

# Mounts the disk, puts the data on it, says so, and holds it until it is killed. `$1` is where the
# disk goes, `$2` has the data, `$3` is the sign.
_HOLD = f"""set -e
used=$(du -sk "$2" | cut -f 1)
mount -t tmpfs -o "size=$((used + {ROOM_KIB}))k" torture "$1"
cp -a --sparse=always "$2/." "$1/"
touch "$3"
exec setpriv --pdeathsig KILL sleep infinity
"""


def _unshare() -> list[str]:
    """Runs a program with mounts of its own, which vanish with the last program that has them."""
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-rm"]


@functools.cache
def _no_mounts() -> str:
    """Why this machine has no small disks; "" if it has."""
    with tempfile.TemporaryDirectory() as folder:
        script = 'mount -t tmpfs torture "$0" && exec setpriv --pdeathsig KILL true'
        try:
            done = subprocess.run(
                [*_unshare(), "sh", "-c", script, folder],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            return "a small disk needs unshare, setpriv and nsenter (util-linux)"
    if done.returncode:
        return f"a small disk cannot be mounted: {done.stderr.strip()}"
    return ""


class _SmallDisk:
    """A disk of a few hundred megabytes under a member that was just killed, with its data.

    Without `save`, the member starts with no data afterwards. What it had before would lack what it
    has acknowledged since.
    """

    def __init__(self, stack: Stack, member: Server) -> None:
        self._stack = stack
        self._member = member
        # Whether the only data of the member is on it.
        self.is_needed = True
        self._aside = member.data_dir.with_suffix(".aside")
        self._back = member.data_dir.with_suffix(".back")
        self._sign = member.data_dir.with_suffix(".mounted")
        for left in (self._aside, self._back):
            shutil.rmtree(left, ignore_errors=True)
        self._sign.unlink(missing_ok=True)
        member.data_dir.rename(self._aside)
        member.data_dir.mkdir()
        script = [_HOLD, "hold", str(member.data_dir), str(self._aside), str(self._sign)]
        self._holder = self._begin("disk", [*_unshare(), "sh", "-c", *script])

    @property
    def is_mounted(self) -> bool:
        return self._sign.exists()

    @property
    def within(self) -> list[str]:
        """Runs a program that sees the disk, and that dies with this one."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        enter = ["nsenter", "--target", str(self._holder.pid), "--mount", *user]
        return [*enter, "setpriv", "--pdeathsig", "KILL"]

    @property
    def _folder(self) -> Path:
        """Its files, as seen from outside."""
        return Path(f"/proc/{self._holder.pid}/root{self._member.data_dir}")

    def fill(self) -> None:
        """Takes all room that is left, and what the member gives back."""
        with contextlib.suppress(OSError), (self._folder / "filler").open("ab") as filler:
            room = os.statvfs(filler.fileno())
            os.posix_fallocate(filler.fileno(), filler.tell(), room.f_bavail * room.f_frsize)

    def save(self) -> Generator[float, None, None]:
        """Gives the member its data back, on a disk with room. It must not run."""
        (self._folder / "filler").unlink(missing_ok=True)
        copy = ["cp", "-a", "--sparse=always", f"{self._member.data_dir}/.", str(self._back)]
        copier = self._begin("disk_copy", [*self.within, *copy])
        while copier.is_running:
            yield 0.1
        self._stack.end(copier)
        if copier.process and copier.process.returncode == 0:
            self._member.data_dir.rmdir()
            self._back.rename(self._member.data_dir)
            self.is_needed = False

    def close(self) -> None:
        """Ends the disk and what is on it."""
        self._stack.end(self._holder)

    def undo(self) -> None:
        """Gives the member the data back from before the disk, on which it never ran."""
        self._member.data_dir.rmdir()
        self._aside.rename(self._member.data_dir)

    def _begin(self, name: str, argv: list[str]) -> Child:
        child = Child(
            name=name,
            argv=argv,
            log_path=self._stack.logs / f"{name}.log",
            death_signal=signal.SIGKILL,
        )
        self._stack.children.append(child)
        child.start()
        return child


@fault("mongodb", lasts_s=(20, 28), touches=("mongodb",), missing=lambda _: _no_mounts())
def disk_full(stack: Stack, dice: random.Random) -> Phases:
    """A member's disk has no room left, and it dies of that. Then it comes back with its data, or
    with nothing."""
    is_primary, keeps_data = dice.choice((True, False)), dice.choice((True, False))
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        member = dice.choice(others(stack, primary))
        with _small_disk(stack, member) as disk:
            if not (yield from wait_until(lambda: disk.is_mounted)):
                return f"no disk was mounted: read {stack.logs / 'disk.log'}"
            stack.start_member(member, within=disk.within)
            if not (yield from wait_until(lambda: is_secondary(stack, member))):
                return f"{member.name} did not start on its small disk"
            if is_primary:
                order(stack, member, "replSetStepUp")
            yield dice.uniform(0.5, 2)
            if not (yield from wait_until(lambda: _dies_of(stack, member, disk))):
                return f"{member.name} lives without room"
            yield dice.uniform(0.5, 4)
            # Without its data, it would no longer have what it has acknowledged.
            if not keeps_data and (yield from wait_until(lambda: _have_all(stack, member))):
                disk.is_needed = False
            else:
                yield from disk.save()
        stack.start_member(member)
        if not (yield from wait_until(lambda: is_secondary(stack, member))):
            return f"{member.name} did not come back in time"
    return None


@contextlib.contextmanager
def _small_disk(stack: Stack, member: Server) -> Iterator[_SmallDisk]:
    """Puts the member's data on a small disk in between. It is killed at both ends."""
    member.kill()
    disk = _SmallDisk(stack, member)
    try:
        yield disk
    finally:
        member.kill()
        if not disk.is_mounted:
            disk.close()
            disk.undo()
        else:
            if disk.is_needed:
                for _ in disk.save():
                    time.sleep(0.05)
            disk.close()


def _dies_of(stack: Stack, member: Server, disk: _SmallDisk) -> bool:
    disk.fill()
    # A checkpoint needs room at once.
    order(stack, member, "fsync")
    return not member.is_running


def _have_all(stack: Stack, member: Server) -> bool:
    """Whether both members that are left have everything that was acknowledged before."""
    primary = stack.primary(timeout_ms=LOOK_MS)
    concern = {"w": 2, "wtimeout": ORDER_MS // 2}
    if primary in (None, member):
        return False
    said = order(stack, primary, "appendOplogNote", data={"note": "both"}, writeConcern=concern)
    return bool(said) and "writeConcernError" not in said


# Members may be this far apart (docs/operations/replica-set.md).
MOST_APART_S = 2.0


@fault(
    "mongodb",
    lasts_s=(5, 20),
    touches=("clocks of members",),
    missing=lambda stack: stack.no_member_clocks,
)
def clocks_apart(stack: Stack, dice: random.Random) -> Phases:
    """The members' clocks differ, jump, and jump back."""
    first, *rest = dice.sample(stack.members, len(stack.members))
    try:
        most_s = MOST_APART_S / 2
        for member, sign in ((first, 1), (rest[0], -1)):
            stack.set_member_clock(member, sign * dice.uniform(0.1, most_s))
        yield None
    finally:
        for member in stack.members:
            stack.set_member_clock(member, 0)
    return None
