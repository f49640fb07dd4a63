"""Checks that sizes and times in the manifests fit each other, so none promises more than another.

MongoDB's volume limits how large a site may grow. A backup of that must fit into its volume, its
window and its deadline, and so must a drill. Figures that are not in the manifests are measured by
a command of this repository, or are MongoDB's or Redis' own and have their source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bookings.operations.backups import restoring
from bookings.operations.doctor import RECOUNT_SHARE
from tests.manifests.integrity import read_quantity
from tests.manifests.objects import Object, Pods, find, pods_of, sources

MIB, GIB = 2**20, 2**30

# Bytes on MongoDB's disk, indexes included, that one core handles in a second, by `python -m
# bench.backup`. A cluster has a core for MongoDB and one for the command, so neither is slower
# there. But a backup reads only as fast as the disk allows, so we count on half of its speed.
BACKUP_BYTES_PER_S = 58e6 / 2
DRILL_BYTES_PER_S = 3.7e6
RECOUNTS_BYTES_PER_S = 5.5e6
LONGEST_RECOUNT_BYTES_PER_S = 8e6

# The size of a backup relative to its data, from the same command; half as much again, since the
# guests of the measurement are alike.
BACKUP_SHARE = 0.16 * 1.5

# The part of a volume that stays free: for the history of a snapshot window, for sorting while
# indexes are made, and for the time it takes to make room.
FREE_SHARE = 0.15

# https://www.mongodb.com/docs/manual/core/replica-set-oplog/: of the free disk, and at least.
OPLOG_SHARE, OPLOG_LEAST_BYTES = 0.05, 990 * MIB

# A few journal files of 100 MB, and 200 MB of diagnostic data:
# https://www.mongodb.com/docs/manual/core/journaling/ and .../reference/parameters/.
OTHER_FILES_BYTES = 500 * MIB

# The bookings, and what a restore takes beside them.
COPIES = 1 + restoring.ROOM

# A backup warns at half the window, and should not do so as soon as a volume is full.
WARNING_SHARE = 0.5

# The time that a Job needs before a try begins: a pod, perhaps an image, and the pause between
# tries.
START_S = 120

# Besides its cache, mongod needs half of this during a drill (python -m bench.backup); sorts,
# connections and the indexes being made need the rest.
MONGOD_BYTES = 512 * MIB

# Besides its data, and as much again for a copy of the changes while the file is rewritten.
REDIS_BYTES = 64 * MIB

# A file as large as the data, a file of changes that may grow as large before it is rewritten
# (auto-aof-rewrite-percentage 100), and both again during the rewrite:
# https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/.
REDIS_FILES = 4

Check = Callable[[list[Object]], Iterator[str]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def find_misfits(objects: list[Object]) -> list[str]:
    """Returns a sentence for each size that promises more than another one allows."""
    return [misfit for one in CHECKS for misfit in one(objects)]


def room_for_bookings(volume_bytes: float) -> float:
    """Returns the part of a volume for the database, indexes included; 0 if there is no room."""
    oplog_bytes = max(OPLOG_LEAST_BYTES, OPLOG_SHARE * volume_bytes)
    left_bytes = volume_bytes * (1 - FREE_SHARE) - oplog_bytes - OTHER_FILES_BYTES
    return max(0.0, left_bytes / COPIES)


def claim_bytes(claim: Object) -> float:
    return read_quantity(claim["spec"]["resources"]["requests"]["storage"])


def volume_bytes(objects: list[Object], name: str) -> float:
    """Returns the size of the volume of each pod of a StatefulSet."""
    return claim_bytes(find(objects, f"StatefulSet/{name}")["spec"]["volumeClaimTemplates"][0])


def backups_kept(objects: list[Object]) -> int:
    """The oldest backup is removed once the newest is there."""
    words = pods_of(objects, "CronJob/backup").spec["containers"][0]["command"]
    return int(words[words.index("--keep") + 1]) + 1


def window_s(objects: list[Object]) -> int:
    """Returns the window that every member starts with, as no restart forgets it; 0 if missing."""
    container = pods_of(objects, "StatefulSet/mongodb").spec["containers"][0]
    given = {one["name"]: one.get("value", "") for one in container.get("env", [])}
    words = " ".join(container["args"])
    named = re.search(r"--setParameter=minSnapshotHistoryWindowInSeconds=\$\((\w+)\)", words)
    return int(given[named[1]]) if named else 0


def deadline_s(objects: list[Object], name: str) -> float:
    """Returns how long a CronJob's Job may take, all its tries together."""
    return find(objects, f"CronJob/{name}")["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]


def tries(objects: list[Object], name: str) -> int:
    return find(objects, f"CronJob/{name}")["spec"]["jobTemplate"]["spec"]["backoffLimit"] + 1


@check
def volumes_have_room_for_bookings(objects: list[Object]) -> Iterator[str]:
    if not room_for_bookings(volume_bytes(objects, "mongodb")):
        yield "MongoDB's volume has no room for bookings beside an oplog"


@check
def backups_fit_into_their_volume(objects: list[Object]) -> Iterator[str]:
    kept = backups_kept(objects)
    needed_bytes = kept * BACKUP_SHARE * room_for_bookings(volume_bytes(objects, "mongodb"))
    # Otherwise it would count as nearly full for as long as it is as full as it should be.
    usable_bytes = (1 - FREE_SHARE) * claim_bytes(find(objects, "PersistentVolumeClaim/backup"))
    if usable_bytes < needed_bytes:
        needed = f"{needed_bytes / GIB:.1f}Gi"
        yield f"{kept} backups of a full MongoDB take {needed}, more than their volume"


@check
def backups_end_within_their_window(objects: list[Object]) -> Iterator[str]:
    took_s = room_for_bookings(volume_bytes(objects, "mongodb")) / BACKUP_BYTES_PER_S
    if window_s(objects) * WARNING_SHARE < took_s:
        yield f"A backup of a full MongoDB takes {took_s:.0f} s, more than half of its window"


@check
def recounts_end_within_their_window(objects: list[Object]) -> Iterator[str]:
    """The doctor's recounts and a drill's; one that does not end in time is a FAIL."""
    took_s = room_for_bookings(volume_bytes(objects, "mongodb")) / LONGEST_RECOUNT_BYTES_PER_S
    if window_s(objects) * RECOUNT_SHARE < took_s:
        yield f"A recount of a full MongoDB takes {took_s:.0f} s, more than its share of the window"


@check
def deadlines_let_every_try_end(objects: list[Object]) -> Iterator[str]:
    """A backup that outlives its window says so; one that is stopped with its Job loses its log."""
    if tries(objects, "backup") * (window_s(objects) + START_S) > deadline_s(objects, "backup"):
        yield "CronJob/backup is stopped before its last try has outlived the window"
    for name, bytes_per_s in (("drill", DRILL_BYTES_PER_S), ("doctor", RECOUNTS_BYTES_PER_S)):
        took_s = START_S + room_for_bookings(volume_bytes(objects, "mongodb")) / bytes_per_s
        if tries(objects, name) * took_s > deadline_s(objects, name):
            yield f"CronJob/{name} takes {took_s:.0f} s with a full MongoDB, more than its deadline"


@check
def drills_leave_no_third_copy(objects: list[Object]) -> Iterator[str]:
    """MongoDB keeps the files of dropped collections until the window has passed."""
    if tries(objects, "drill") > 1:
        yield "CronJob/drill tries again while the disk still holds what it dropped"


@check
def backup_and_drill_do_not_meet(objects: list[Object]) -> Iterator[str]:
    """Most volumes can be used on only one node at a time."""
    minute, hour, *_ = find(objects, "CronJob/backup")["spec"]["schedule"].split()
    begun = find(objects, "CronJob/backup")["spec"]["startingDeadlineSeconds"]
    ended_s = int(hour) * 3600 + int(minute) * 60 + begun + deadline_s(objects, "backup")
    minute, hour, *_ = find(objects, "CronJob/drill")["spec"]["schedule"].split()
    if ended_s > int(hour) * 3600 + int(minute) * 60:
        yield "CronJob/drill may begin before the backup has ended"


@check
def redis_has_room(objects: list[Object]) -> Iterator[str]:
    for name, texts in sources(objects).items():
        if not name.startswith("ConfigMap/redis-config"):
            continue
        for text in texts.values():
            found = re.search(r"^maxmemory (\d+)mb$", text, re.MULTILINE)
            if found is None:
                yield "Redis has no limit to its memory"
                continue
            data_bytes = int(found[1]) * MIB
            if volume_bytes(objects, "redis") < REDIS_FILES * data_bytes:
                yield "Redis' volume does not hold its file while that is rewritten"
            limit_bytes = memory_limit_bytes(pods_of(objects, "StatefulSet/redis"))
            if limit_bytes < 2 * data_bytes + REDIS_BYTES:
                yield "Redis has memory for its data and a copy, and for nothing else"


@check
def mongodb_has_memory_beside_its_cache(objects: list[Object]) -> Iterator[str]:
    pods = pods_of(objects, "StatefulSet/mongodb")
    given = {one["name"]: one.get("value", "0") for one in pods.spec["containers"][0]["env"]}
    cache_bytes = float(given["CACHE_SIZE_GB"]) * GIB
    if memory_limit_bytes(pods) < cache_bytes + MONGOD_BYTES:
        yield "MongoDB has memory for its cache, and too little for the rest"


def memory_limit_bytes(pods: Pods) -> float:
    return read_quantity(pods.spec["containers"][0]["resources"]["limits"]["memory"])
