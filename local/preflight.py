"""Checks the machine and makes the environment before `make run`, `make test` and `make check`.

Runs under the system's Python with only its standard library. Each refusal is one sentence that
says what to type. When everything is in place, it uses no network and takes a moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from local.files import ROOT, VAR, AlreadyRunning, PidFile
from local.ports import port_is_free

VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)

# The environment with its tests takes 0.7 GB, the first files of a mongod 0.2 GB.
NEEDED_BYTES = 1_000_000_000

RUNTIME = "requirements.txt"
SERVERS = "requirements-local.txt"
DEVELOPMENT = "requirements-dev.txt"

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DEFAULT_PORTS = {"PORT": 8000, "MONGO_PORT": 27117, "REDIS_PORT": 6479}


class NotReady(Exception):
    """Something is missing; the message is one sentence that says what to do."""


def main(purpose: str) -> int:
    """Get ready for `run`, `test` or `check`; for `run`, become the runner."""
    # Every ending signal acts as Ctrl-C, so that an installation in progress ends with us.
    handle_ending_signals(signal.default_int_handler)
    # Tests start their own servers, whatever the environment says about others.
    environ = os.environ if purpose == "run" else {}
    try:
        check_python(sys.version_info[:2])
        check_folder(VAR)
        check_space(shutil.disk_usage(ROOT).free)
        if purpose != "check":
            check_platform(platform.system(), platform.machine(), environ)
            check_processor(environ)
        if purpose == "run":
            check_no_other_run(VAR / "run.pid")
            check_ports(read_ports(environ), environ)
        make_environment(VENV, purpose)
        if purpose != "check":
            check_servers(VENV, environ)
    except NotReady as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if purpose == "run":
        os.chdir(ROOT)
        # Blocked until the runner can handle them; it unblocks them then.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), "-m", "local.run"])
    return 0


def handle_ending_signals(handler: Callable[[int, FrameType | None], Any]) -> None:
    """Set what Ctrl-C, a stop from outside and a closing terminal do."""
    for number in ENDING_SIGNALS:
        # A program under nohup wants to outlive its terminal.
        if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):
            signal.signal(number, handler)


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python older than the project's code."""
    if version < OLDEST_PYTHON:
        have, need = (".".join(map(str, one)) for one in (version, OLDEST_PYTHON))
        raise NotReady(
            f"This is Python {have}, but {need} or later is needed: install one and name it, "
            f"as in make run PYTHON=python{need}."
        )


def check_folder(folder: Path) -> None:
    """Refuse a `var/` that this user cannot write, or that contains another user's files."""
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        entries = [folder, *folder.iterdir()]
    except OSError:
        entries, blocked = [folder], True
    else:
        blocked = any(not os.access(entry, os.R_OK | os.W_OK) for entry in entries)
    if blocked:
        raise NotReady(f"{folder} cannot be written: type sudo chown -R $(id -u) {folder}")


def check_space(free_bytes: int) -> None:
    """Refuse to start if the disk would fill up half-way."""
    if free_bytes < NEEDED_BYTES:
        raise NotReady(
            f"Only {free_bytes / 1e9:.1f} GB are free and 1 GB is needed: make room on the disk "
            f"that holds {ROOT}."
        )


def check_platform(system: str, machine: str, environ: Mapping[str, str]) -> None:
    """Refuse a system for which there are no server programs, unless the purpose needs none."""
    if (system, machine) == ("Linux", "x86_64"):
        return
    if environ.get("MONGODB_URI") and environ.get("REDIS_URL"):
        return
    if shutil.which("mongod") and shutil.which("redis-server"):
        return
    raise NotReady(
        f"The bundled servers run on Linux x86_64, and this is {system} {machine}: "
        "set MONGODB_URI and REDIS_URL to servers of your own for make run, "
        "or install mongod and redis-server."
    )


def check_processor(environ: Mapping[str, str], cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse a processor on which every MongoDB since 5.0 stops with an illegal instruction."""
    if environ.get("MONGODB_URI") or not cpuinfo.exists():
        return
    flags = [line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")]
    if flags and "avx" not in flags[0].split():
        raise NotReady(
            "This processor has no AVX, which mongod needs: set MONGODB_URI to a MongoDB that "
            "runs elsewhere."
        )


def check_no_other_run(path: Path) -> None:
    """Refuse a second run in this checkout; remove the file of a killed one."""
    pid_file = PidFile(path)
    try:
        pid_file.take()
    except AlreadyRunning as error:
        raise NotReady(str(error)) from error
    pid_file.release()


def read_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """Read the three ports from the environment; each has a default."""
    ports: dict[str, int] = {}
    for name, default in DEFAULT_PORTS.items():
        text = environ.get(name) or str(default)
        if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
            raise NotReady(f"{name} is {text!r}: set it to a number between 1 and 65535.")
        if int(text) in ports.values():
            raise NotReady(f"{name} is {text}, like another port: set it to a different number.")
        ports[name] = int(text)
    return ports


def check_ports(ports: Mapping[str, int], environ: Mapping[str, str]) -> None:
    """Refuse a port of this run that cannot be listened on, and suggest a free one."""
    not_used = {
        name
        for name, uri in (("MONGO_PORT", "MONGODB_URI"), ("REDIS_PORT", "REDIS_URL"))
        if environ.get(uri)
    }
    for name, port in ports.items():
        if name not in not_used and not port_is_free(port):
            other = next(
                (one for one in range(max(port, 1023) + 1, 65536) if port_is_free(one)), 8001
            )
            raise NotReady(
                f"Port {port} is taken or not allowed: "
                f"choose another, as in make run {name}={other}"
            )


def make_environment(venv: Path, purpose: str) -> None:
    """Install what the purpose needs, unless the stamp of an earlier success still fits."""
    files = requirement_files(purpose)
    if is_stamped(venv, purpose, files):
        return
    with (VAR / "venv.lock").open("w") as lock:
        # A run and a test that began at the same moment would install over each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_stamped(venv, purpose, files):
            return
        if not has_pip(venv):
            if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
                raise NotReady(
                    "This Python cannot make a virtual environment: "
                    "type sudo apt-get install python3-venv"
                )
            # A running site must not lose the packages that it uses.
            check_no_other_run(VAR / "run.pid")
            say(f"Making {venv.name} with {interpreter()} ...")
            complete([sys.executable, "-m", "venv", "--clear", str(venv)], f"make {venv}")
        say(f"Installing {', '.join(file.name for file in files)} into {venv.name} ...")
        arguments = [text for file in files for text in ("-r", str(file))]
        complete(
            [
                *(str(venv / "bin" / "python"), "-m", "pip", "install"),
                *("--disable-pip-version-check", "--require-hashes", *arguments),
            ],
            "install the packages",
        )
        write_stamps(venv, purpose)


def requirement_files(purpose: str) -> list[Path]:
    """List the requirement files for a purpose; tests and checks need more than a run."""
    names = [RUNTIME]
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        names.append(SERVERS)
    if purpose != "run":
        names.append(DEVELOPMENT)
    return [ROOT / name for name in names]


def stamp(files: Sequence[Path]) -> str:
    """Return a digest of what is installed: the Python and the exact requirements."""
    digest = hashlib.sha256(interpreter().encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def interpreter() -> str:
    """Name this Python, which an environment made by it shares.

    The name includes its file, since two of one version differ: a distribution adds patches.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    return f"Python {version} of {os.path.realpath(sys.executable)}"


def is_stamped(venv: Path, purpose: str, files: Sequence[Path]) -> bool:
    """Whether the environment holds exactly what the purpose needs and its Python still exists."""
    path = stamp_path(venv, purpose)
    is_there = path.exists() and (venv / "bin" / "python").exists()
    return is_there and path.read_text() == stamp(files)


def write_stamps(venv: Path, purpose: str) -> None:
    """Record a complete installation; one for the tests serves a run too."""
    for served in {purpose, "run"}:
        stamp_path(venv, served).write_text(stamp(requirement_files(served)))


def stamp_path(venv: Path, purpose: str) -> Path:
    """Return where the stamp is; tests and checks share one."""
    return venv / ("stamp-run" if purpose == "run" else "stamp-test")


def has_pip(venv: Path) -> bool:
    """Whether the environment works and was made by this very Python."""
    python = venv / "bin" / "python"
    if not python.exists():
        return False
    question = (
        "import pip, sys; from local import preflight; sys.stdout.write(preflight.interpreter())"
    )
    answer = subprocess.run(
        [python, "-c", question], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout == interpreter()


def check_servers(venv: Path, environ: Mapping[str, str]) -> None:
    """Ask the environment whether its server programs can run here."""
    hidden = {name: "" for name in ("MONGODB_URI", "REDIS_URL") if not environ.get(name)}
    answer = subprocess.run(
        [venv / "bin" / "python", "-m", "local.binaries"],
        cwd=ROOT,
        env={**os.environ, **hidden},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise NotReady(answer.stderr.strip())


def complete(argv: Sequence[str], what: str) -> None:
    """Run a program with its output visible, and raise NotReady if it fails."""
    if subprocess.run(argv, check=False).returncode:
        raise NotReady(f"Could not {what}: read the lines above and try again.")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
