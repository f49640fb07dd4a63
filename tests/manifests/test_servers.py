"""MongoDB and Redis accept their configuration: the real servers, started as rendered.

The releases are those of the tests, and the paths are the test's own; every other word is the same
as in the cluster. `mongosh`, which the probes use, is only in the official image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from local.binaries import mongod_binary, redis_binary
from local.children import Child
from local.servers import free_port
from tests.manifests.objects import Object, expand, pods_of, sources
from tests.manifests.sizes import window_s

UNAUTHORIZED = 13


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def keyfile(objects: list[Object], folder: Path) -> Path:
    """As a Secret is mounted with an fsGroup: readable for the owner and the group."""
    (text,) = (
        held["keyfile"]
        for name, held in sources(objects).items()
        if name.startswith("Secret/mongodb-keyfile")
    )
    path = folder / "secret" / "keyfile"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o440)
    return path


def plan_mongod(objects: list[Object], folder: Path, port: int) -> Child:
    """The container's own words, with the paths and the port of this test."""
    container = pods_of(objects, "StatefulSet/mongodb").spec["containers"][0]
    variables = {one["name"]: one["value"] for one in container["env"]}
    places = {
        "--bind_ip_all": "--bind_ip=127.0.0.1",
        "--port=27017": f"--port={port}",
        "--dbpath=/data/db": f"--dbpath={folder / 'data'}",
        "--keyFile=/keyfile/keyfile": f"--keyFile={folder / 'keyfile' / 'keyfile'}",
    }
    assert container["command"] == ["mongod"]
    assert places.keys() < set(container["args"])
    argv = [places.get(word, expand(word, variables)) for word in container["args"]]
    (folder / "data").mkdir()
    return Child(name="mongod", argv=[str(mongod_binary()), *argv], log_path=folder / "log")


def prepare_keyfile(objects: list[Object], folder: Path) -> None:
    """Does the work of the init container."""
    container = pods_of(objects, "StatefulSet/mongodb").spec["initContainers"][0]
    (folder / "keyfile").mkdir()
    words = [
        str(folder) + word if word.startswith(("/secret", "/keyfile")) else word
        for word in container["command"]
    ]
    subprocess.run(words, check=True)


def test_starts_mongodb_for_nobody_but_its_members(
    objects: list[Object], folder: Path, keyfile: Path
) -> None:
    prepare_keyfile(objects, folder)
    port = free_port()
    mongod = plan_mongod(objects, folder, port)
    mongod.start()
    try:
        with MongoClient("127.0.0.1", port, directConnection=True) as anybody:
            hello = _ask(anybody, mongod)
            with pytest.raises(OperationFailure) as refused:
                anybody.admin.command("createUser", "me", pwd="mine", roles=["root"])
        with MongoClient(
            "127.0.0.1",
            port,
            directConnection=True,
            username="__system",
            password=keyfile.read_text(),
            authSource="local",
        ) as member:
            names = ("transactionLifetimeLimitSeconds", "minSnapshotHistoryWindowInSeconds")
            found = member.admin.command("getParameter", 1, **dict.fromkeys(names, 1))
            lifetime_s, moment_s = (found[name] for name in names)
            cache = member.admin.command("serverStatus")["wiredTiger"]["cache"]
    finally:
        mongod.kill()

    # The probes read this without a login.
    assert (hello["isWritablePrimary"], hello["secondary"]) == (False, False)
    assert refused.value.code == UNAUTHORIZED
    assert lifetime_s == 5
    assert moment_s == window_s(objects)
    assert cache["maximum bytes configured"] >= 0.25 * 2**30


def _ask(client: MongoClient, mongod: Child) -> Object:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            return client.admin.command("hello")
        except AutoReconnect:
            assert mongod.is_running, mongod.log_path.read_text()[-2000:]
            assert time.monotonic() < deadline_s


@pytest.mark.parametrize("overlay", ["prod"])
def test_would_not_start_mongodb_with_the_keyfile_as_it_is_mounted(
    objects: list[Object], folder: Path, keyfile: Path
) -> None:
    """The reason for the init container."""
    keyfile.parent.rename(folder / "keyfile")
    mongod = plan_mongod(objects, folder, free_port())
    mongod.start()
    try:
        status = mongod.process.wait(30) if mongod.process else None
    finally:
        mongod.kill()

    assert status != 0
    assert "too open" in mongod.log_path.read_text()


@pytest.mark.slow
def test_starts_redis_that_forgets_nothing_to_make_room(
    objects: list[Object], folder: Path
) -> None:
    held = sources(objects)
    (config,) = (
        texts["redis.conf"]
        for name, texts in held.items()
        if name.startswith("ConfigMap/redis-config")
    )
    (secret,) = (texts for name, texts in held.items() if name.startswith("Secret/redis-password"))
    for name, text in secret.items():
        (folder / name).write_text(text)
    assert "/etc/redis/secret/password.conf" in config
    assert "dir /data\n" in config
    path = folder / "redis.conf"
    path.write_text(
        config.replace("/etc/redis/secret", str(folder)).replace("dir /data", f"dir {folder}")
    )
    binary, _ = redis_binary()
    port = free_port()
    argv = [str(binary), str(path), "--port", str(port), "--bind", "127.0.0.1"]
    server = Child(name="redis", argv=argv, log_path=folder / "log")
    server.start()
    try:
        with redis.Redis(port=port, password=secret["password"]) as client:
            deadline_s = time.monotonic() + 30
            while not _answers(client):
                assert server.is_running, server.log_path.read_text()
                assert time.monotonic() < deadline_s
            found = client.config_get("maxmemory*", "appendonly", "appendfsync", "save")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        server.kill()

    assert found["maxmemory-policy"] == "noeviction"
    assert found["maxmemory"] == str(192 * 2**20)
    assert (found["appendonly"], found["appendfsync"], found["save"]) == ("yes", "everysec", "")


def _answers(client: redis.Redis) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        time.sleep(0.05)
        return False
