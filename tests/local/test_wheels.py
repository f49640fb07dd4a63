"""The wheels of `idempotency` and `locks` stand alone, each in an environment without the site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from redis import Redis

from local import wheels
from local.release import read_version
from tests.site import ROOT

REDIS_URL = "redis://127.0.0.1:6379/0"

PRINTED = {
    "idempotency": "sent to ada\n200 first\n200 replayed\n",
    "locks": "held room:7 room:8\nbusy room:8\n",
}

# What the core of neither package may load, besides the other package.
OTHERS = {"django", "rest_framework", "django_redis", "pymongo", "bson", "bookings", "bookingsite"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths = wheels.build(tmp_path_factory.mktemp("wheels"))
    return dict(zip(wheels.PACKAGES, paths, strict=True))


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        [name] = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(opened.read(name))


def redis_of(wheel: Path) -> Requirement:
    """Which redis-py the wheel asks for, without any extra."""
    wishes = [Requirement(line) for line in metadata_of(wheel).get_all("Requires-Dist", [])]
    [redis] = [wish for wish in wishes if wish.marker is None]
    assert redis.name == "redis"
    return redis


def example_of(package: str) -> str:
    """The first example of the package's page on an index."""
    text = (ROOT / "wheels" / package / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_contains_its_scripts_and_its_licence_and_nothing_else_of_the_project(
    package: str, built: dict[str, Path]
) -> None:
    with zipfile.ZipFile(built[package]) as opened:
        names = set(opened.namelist())
    folder = ROOT / package
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = f"bookingsite_{package}-{read_version()}.dist-info"

    assert {name for name in names if not name.startswith(f"{about}/")} == ours
    assert {f"{package}/py.typed", f"{about}/licenses/LICENSE", f"{about}/licenses/NOTICE"} <= names
    assert any(name.endswith(".lua") for name in ours)
    if package == "idempotency":
        assert "idempotency/django/templates/admin/idempotency/look_up.html" in names


@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_says_what_it_is(package: str, built: dict[str, Path]) -> None:
    said = metadata_of(built[package])

    assert said["Name"] == f"bookingsite-{package}"
    assert said["Version"] == read_version()
    assert said["License-Expression"] == "Apache-2.0"
    assert f"# bookingsite-{package}" in said.get_payload()


def test_is_the_same_from_the_same_sources(built: dict[str, Path], tmp_path: Path) -> None:
    again = wheels.build(tmp_path)
    with zipfile.ZipFile(again[0]) as opened:
        changed_at = {entry.date_time for entry in opened.infolist()}

    assert changed_at == {(1980, 1, 1, 0, 0, 0)}  # whenever they were checked out
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built.values()]


@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_asks_for_the_redis_that_the_tests_have(package: str, built: dict[str, Path]) -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = re.search(r"^redis==(\S+)", lock, re.MULTILINE)
    assert locked is not None

    assert redis_of(built[package]).specifier.contains(locked[1])


@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_loads_neither_a_framework_nor_a_database(package: str) -> None:
    code = f"import sys, {package}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())

    assert package in loaded
    assert loaded & (OTHERS | set(wheels.PACKAGES) - {package}) == set()


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("redis", ["oldest", "locked"])
@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_runs_its_example_in_an_empty_environment(
    package: str, redis: str, built: dict[str, Path], tmp_path: Path
) -> None:
    with Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.flushdb()
    python = make_environment(tmp_path / "venv")
    [oldest] = [one.version for one in redis_of(built[package]).specifier if one.operator == ">="]
    wished = [f"redis=={oldest}"] if redis == "oldest" else []
    example = tmp_path / "example.py"
    example.write_text(example_of(package).replace(REDIS_URL, os.environ["REDIS_URL"]))

    run(python, "-m", "pip", "install", "--quiet", built[package], *wished, where=tmp_path)
    printed = run(python, example, where=tmp_path)
    run(python, "-m", "pip", "check", where=tmp_path)

    assert printed == PRINTED[package]
    if redis == "locked":  # old releases of redis-py have too few types
        checked = run(
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull),
            *("--python-executable", python, "--cache-dir", tmp_path / "cache", example),
            where=tmp_path,
        )
        assert "Success" in checked  # a package without types would be an error


@pytest.mark.slow
def test_brings_what_its_extras_promise(built: dict[str, Path], tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv")
    wish = f"bookingsite-idempotency[django,mongodb,conformance] @ {built['idempotency'].as_uri()}"
    run(python, "-m", "pip", "install", "--quiet", wish, built["locks"], where=tmp_path)

    code = (
        "from django.conf import settings; import django;"
        "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth',"
        " 'django.contrib.admin', 'django.contrib.messages', 'idempotency.django',"
        " 'locks.django']); django.setup();"
        "import idempotency.mongodb, idempotency.django.decorator, idempotency.django.drf;"
        "import idempotency.conformance, locks.conformance;"
        "from django.core.management import get_commands;"
        "print(sorted(get_commands().keys() & {'idempotency', 'locks'}))"
    )
    assert run(python, "-c", code, where=tmp_path) == "['idempotency', 'locks']\n"


def make_environment(folder: Path) -> Path:
    """An environment with pip alone; returns its Python."""
    run(sys._base_executable, "-m", "venv", folder, where=folder.parent)  # type: ignore[attr-defined]
    return folder / "bin" / "python"


def run(*command: str | Path, where: Path) -> str:
    """Runs the command in a folder that is not the project's; returns what it printed."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "DJANGO"))
    }
    done = subprocess.run(
        command, cwd=where, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
