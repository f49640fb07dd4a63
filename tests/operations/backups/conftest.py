"""Fixtures for the tests of backups and of restores."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from django.core.management import call_command

from bookings import points
from bookings.infrastructure import connections
from bookings.operations.backups import folders
from tests.site import ROOT

RAW: Any = CodecOptions(document_class=RawBSONDocument)

# manage.py as it is, with faults to arm.
MANAGE = """
import os, pathlib, sys
import manage
from bookings import points
from tests.faults import Faults
manage.RUN_ENV = pathlib.Path("nowhere")
points.install(Faults(pathlib.Path(os.environ["TEST_FAULTS"])))
sys.argv[0] = "manage.py"
manage.main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def other(database: None) -> Iterator[Any]:
    """A database to restore into, which does not exist before and after the test."""
    own = connections.database()
    for name in (f"{own.name}_back", f"{own.name}_drill"):
        own.client.drop_database(name)
    yield own.client[f"{own.name}_back"]
    for name in (f"{own.name}_back", f"{own.name}_drill"):
        own.client.drop_database(name)


@pytest.fixture
def extra(database: None) -> Iterator[Any]:
    """The site's database; its collections named extra_… disappear with the test."""
    own = connections.database()
    yield own
    for name in own.list_collection_names(filter={"name": {"$regex": "^extra"}}):
        own.drop_collection(name)


@pytest.fixture
def at_point() -> Iterator[Callable[[str, Callable[[], None]], None]]:
    """Calls a function the first time that this process reaches a point."""

    def install(point: str, call: Callable[[], None]) -> None:
        def reached(name: str) -> None:
            if name == point:
                points.install(None)
                call()

        points.install(reached)

    yield install
    points.install(None)


@pytest.fixture
def neighbour(database: None) -> Iterator[Any]:
    """Another site's database, which shares the folder of backups."""
    own = connections.database()
    theirs = own.client[f"{own.name}_neighbour"]
    own.client.drop_database(theirs.name)
    theirs["theirs"].insert_one({"_id": 1})
    yield theirs
    own.client.drop_database(theirs.name)


def back_up(folder: Path, **options: Any) -> Path:
    said = io.StringIO()
    call_command("backup", to=folder, stdout=said, **options)
    return Path(said.getvalue().splitlines()[0].removeprefix("Backed up: "))


def restore(backup: Path, into: str) -> str:
    said = io.StringIO()
    call_command("restore", str(backup), into=into, stdout=said)
    return said.getvalue()


def manage(
    environment: dict[str, str], faults: Path, *arguments: str, **options: Any
) -> subprocess.Popen[str]:
    """Runs the command in its own process."""
    faults.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", MANAGE, *arguments],
        cwd=ROOT,
        env={**environment, "TEST_FAULTS": str(faults)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def documents(database: Any, name: str) -> list[bytes]:
    """Byte for byte, except for the version of a booking, which a restore moves."""
    if name == "bookings":
        return sorted(bson.encode({**doc, "version": 0}) for doc in database[name].find())
    return sorted(doc.raw for doc in database.get_collection(name, codec_options=RAW).find())


def names(database: Any) -> list[str]:
    return sorted(database.list_collection_names())


def held(folder: Path) -> list[Path]:
    """The contents of the folder, except for the lock of the process that worked in it."""
    return sorted(path for path in folder.iterdir() if path.name != folders.LOCK)


def rename(backup: Path, name: str) -> Path:
    return backup.rename(backup.parent / name)


def seal_again(backup: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the manifest, and its digest with it."""
    path = backup / "manifest.json"
    manifest = json.loads(path.read_text())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    change(manifest)
    path.write_text(json.dumps(manifest))
    sums = backup / "SHA256SUMS"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, digest))
