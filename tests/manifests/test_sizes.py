"""No size in the manifests promises more than the others allow, and the checks find any that
does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.manifests import sizes
from tests.manifests.conftest import ROOT
from tests.manifests.objects import Object, find, pods_of
from tests.manifests.sizes import CHECKS, GIB, find_misfits, window_s
from tests.manifests.test_integrity import FIRST, MONGODB, REDIS, Plant, of_redis_config, put
from tests.manifests.test_readme import README

STORAGE = "spec.resources.requests.storage"
CLAIM = f"spec.volumeClaimTemplates.0.{STORAGE}"
JOB = "spec.jobTemplate.spec"


def of_mongodb(name: str, value: str) -> Plant:
    """Sets a variable that appears in a member's arguments."""

    def plant(objects: list[Object]) -> None:
        container: Any = _mongodb(objects)
        for one in container["env"]:
            if one["name"] == name:
                one["value"] = value

    return plant


def without_window(objects: list[Object]) -> None:
    """As if it were set on a running member: its next start would not know it."""
    container = _mongodb(objects)
    container["args"] = [word for word in container["args"] if "Window" not in word]


def _mongodb(objects: list[Object]) -> Object:
    return pods_of(objects, MONGODB).spec["containers"][0]


MISFITS: list[tuple[Plant, str]] = [
    (put(MONGODB, CLAIM, "1Gi"), "no room for bookings beside an oplog"),
    (put(MONGODB, CLAIM, "100Gi"), "more than their volume"),
    (put("PersistentVolumeClaim/backup", STORAGE, "20Gi"), "15 backups of a full MongoDB take"),
    (put("CronJob/backup", f"{JOB}.template.spec.containers.0.command.6", "30"), "31 backups of"),
    (of_mongodb("SNAPSHOT_WINDOW_S", "300"), "more than half of its window"),
    (of_mongodb("SNAPSHOT_WINDOW_S", "1800"), "more than its share of the window"),
    (without_window, "more than half of its window"),
    (put(MONGODB, CLAIM, "400Gi"), "more than half of its window"),
    (put("CronJob/backup", f"{JOB}.activeDeadlineSeconds", 3600), "its last try has outlived"),
    (of_mongodb("SNAPSHOT_WINDOW_S", "7200"), "its last try has outlived the window"),
    (put("CronJob/drill", f"{JOB}.activeDeadlineSeconds", 3600), "CronJob/drill takes"),
    (put("CronJob/doctor", f"{JOB}.activeDeadlineSeconds", 900), "CronJob/doctor takes"),
    (put("CronJob/drill", f"{JOB}.backoffLimit", 1), "still holds what it dropped"),
    (put("CronJob/drill", "spec.schedule", "17 3 * * 0"), "before the backup has ended"),
    (of_redis_config("appendonly yes\n"), "Redis has no limit to its memory"),
    (put(REDIS, CLAIM, "512Mi"), "does not hold its file while that is rewritten"),
    (put(REDIS, f"{FIRST}.resources.limits.memory", "384Mi"), "Redis has memory for its data"),
    (of_mongodb("CACHE_SIZE_GB", "3.75"), "MongoDB has memory for its cache"),
]


def test_holds_what_it_promises(objects: list[Object]) -> None:
    assert find_misfits(objects) == []


@pytest.mark.parametrize(("plant", "sentence"), MISFITS)
def test_finds_a_size_that_promises_more(spoilt: list[Object], plant: Plant, sentence: str) -> None:
    plant(spoilt)

    assert any(sentence in misfit for misfit in find_misfits(spoilt)), find_misfits(spoilt)


def test_says_the_same_as_the_page_for_operators(objects: list[Object], overlay: str) -> None:
    volume = sizes.volume_bytes(objects, "mongodb")
    room = sizes.room_for_bookings(volume)
    claim = sizes.claim_bytes(find(objects, "PersistentVolumeClaim/backup"))
    needed = sizes.backups_kept(objects) * sizes.BACKUP_SHARE * room
    needed_s = room / sizes.LONGEST_RECOUNT_BYTES_PER_S / sizes.RECOUNT_SHARE

    assert (
        f"| {volume / GIB:.0f}Gi, `overlays/{overlay}` | {room / GIB:.1f} GiB "
        f"| {needed / GIB:.1f} GiB, {claim / GIB:.0f}Gi | {needed_s:.0f}, {window_s(objects)} |\n"
    ) in README
    if overlay == "prod":
        alerts = (ROOT / "observability" / "kubernetes.yml").read_text(encoding="utf-8")
        assert f"> {window_s(objects) / 2:.0f}\n" in alerts


def test_plants_a_misfit_for_every_check(spoilt: list[Object]) -> None:
    silent = set(CHECKS)
    for plant, _ in MISFITS:
        objects = copy.deepcopy(spoilt)
        plant(objects)
        silent -= {check for check in silent if list(check(objects))}

    assert not silent
