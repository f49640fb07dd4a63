"""`make wheels`: the wheels of `idempotency` and `locks`, for other projects, in var/wheels.

A build backend reads only the folder of its pyproject.toml, and the two packages share this
repository with the site. So each is copied beside its pyproject.toml from wheels/, with the licence
and the site's version. The same sources give the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from local.files import ROOT, VAR
from local.release import read_version

PACKAGES = ("idempotency", "locks")

# What a wheel says of when its files were changed: the oldest moment that a ZIP file can tell.
CHANGED_AT_S = 315532800

_VERSION = re.compile(r'^version = ".*"$', re.MULTILINE)


def build(folder: Path) -> list[Path]:
    """Builds both wheels into the folder, without the network, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_build(package, folder) for package in PACKAGES]


def _build(package: str, folder: Path) -> Path:
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as copied:
        source = Path(copied)
        _copy(package, source)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
                # The backend is the one in requirements-dev.txt.
                *("--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"),
                *("--wheel-dir", made, copied),
            ],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(CHANGED_AT_S)},
            check=True,
        )
        [wheel] = Path(made).glob("*.whl")
        return Path(shutil.copy(wheel, folder))


def _copy(package: str, folder: Path) -> None:
    """Lays out a project with this one package in the folder."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for path in (ROOT / "LICENSE", ROOT / "NOTICE", ROOT / "wheels" / package / "README.md"):
        shutil.copy(path, folder)
    project = (ROOT / "wheels" / package / "pyproject.toml").read_text(encoding="utf-8")
    project = _VERSION.sub(f'version = "{read_version()}"', project, count=1)
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")


if __name__ == "__main__":
    for wheel in build(VAR / "wheels"):
        sys.stdout.write(f"{wheel.relative_to(ROOT)}\n")
