"""Installed packages are locked: each by exact version and hash, from no named index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

LOCKS = sorted(ROOT.glob("requirements*.txt"))

# Installed together into one environment.
TOGETHER = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")


def read_lock(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each package of a lock with its hashes; fails at a line that is neither."""
    locked = []
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            wish, *hashes = line.split(" --hash=")
            locked.append((Requirement(wish), [one.strip() for one in hashes]))
    return locked


def read_wishes(path: Path) -> Iterator[Requirement]:
    """Returns what a person wrote down."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield Requirement(line)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_pins_every_package_by_version_and_hash(path: Path) -> None:
    locked = read_lock(path)

    assert locked
    for wish, hashes in locked:
        assert re.fullmatch(r"==[^*]+", str(wish.specifier)), f"{wish}: run make lock"
        assert wish.url is None
        assert hashes, f"{wish} has no hash: run make lock"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_names_no_address_to_install_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.M
    )
    assert text.splitlines()[1] == "#    make lock"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_what_was_asked_for(path: Path) -> None:
    locked = {(canonicalize_name(wish.name), wish.specifier) for wish, _ in read_lock(path)}
    asked = {
        (canonicalize_name(wish.name), wish.specifier)
        for wish in read_wishes(path.with_suffix(".in"))
    }

    assert asked <= locked, f"{path.with_suffix('.in').name} was changed: run make lock"


def test_agrees_on_what_is_installed_together() -> None:
    versions: dict[tuple[str, str], set[str]] = {}
    for name in TOGETHER:
        for wish, _ in read_lock(ROOT / name):
            key = (canonicalize_name(wish.name), str(wish.marker or ""))
            versions.setdefault(key, set()).add(str(wish.specifier))

    assert {key: found for key, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    "path", ["Dockerfile", "Makefile", "local/preflight.py", ".ci/install_kubectl.py"]
)
def test_installs_nothing_without_hashes(path: str) -> None:
    text = re.sub(r"\\\n", " ", (ROOT / path).read_text(encoding="utf-8"))

    installing = re.findall(r".*\bpip\b.*\b(?:install|download)\b.*", text)
    assert installing or path == "local/preflight.py"
    assert text.count("--require-hashes") >= max(1, len(installing))
