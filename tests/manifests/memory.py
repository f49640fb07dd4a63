"""Adds up what the containers take at their worst, which each limit has to hold.

Known figures come from the files that define them: how many processes there are, what a hash takes
and how many are made at once, how many large bodies are worked on, and how much fits into folders
that are kept in memory, which the kernel counts as the container's. The memory of the processes
themselves was measured and rounded up: `python -m bench.memory` prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.hashers import Argon2PasswordHasher

from bookings.content.brand import converting as brand_converting
from bookings.content.photos import converting
from bookingsite import bodies, body_limits, passwords
from bookingsite.passwords import PasswordHasher

ROOT = Path(__file__).resolve().parents[2]

MIB = 2**20

# gunicorn's own process, and each that serves, after it has answered /metrics with all the series
# that a stranger can make.
MASTER_BYTES, SERVING_BYTES = 40 * MIB, 104 * MIB

# The worker or command with the most to do: one writes the largest file of nights, one a backup.
WORKING_BYTES = 208 * MIB

# The program that converts a photo, beside the worker that started it; the system bounds it.
CONVERTING_BYTES = converting.MEMORY_BYTES

# A command that does next to nothing, such as `createsuperuser`.
COMMAND_BYTES = 128 * MIB

# What a file of nights takes until it is ordered: the body, its form, its rows. Or a logo, and the
# program that converts it, which the system bounds.
LARGE_BODY_BYTES = max(160 * MIB, body_limits.BRAND.max_bytes + brand_converting.MEMORY_BYTES)

# One hash of an earlier release, and beside it the memory that the thread keeps of one of ours.
HASHES_BYTES = (
    passwords.AT_ONCE * 1024 * (Argon2PasswordHasher.memory_cost + PasswordHasher.memory_cost)
)


@dataclass(frozen=True)
class Container:
    """The relevant parts of a container, of Compose or of a pod."""

    name: str
    limit_bytes: float
    # Of all its folders that are kept in memory.
    files_bytes: float
    environment: dict[str, str]
    serves: bool
    # Whether it is a Celery worker, which converts photos.
    converts: bool = False


def needed_bytes(container: Container) -> float:
    """Returns what a container of our image takes at its worst."""
    if not container.serves:
        beside = CONVERTING_BYTES if container.converts else 0
        return WORKING_BYTES + beside + container.files_bytes
    at_work = SERVING_BYTES + HASHES_BYTES + bodies.LARGE_AT_ONCE * LARGE_BODY_BYTES
    # Beside them a command that `exec` runs, and that may hash a password.
    beside = COMMAND_BYTES + 1024 * PasswordHasher.memory_cost
    processes = count_processes(container.environment)
    return MASTER_BYTES + processes * at_work + beside + container.files_bytes


def find_too_small(container: Container) -> str | None:
    """Returns a sentence if the limit is too small."""
    needed = needed_bytes(container)
    if needed <= container.limit_bytes:
        return None
    return (
        f"{container.name} may take {needed / MIB:.0f} MiB of memory, "
        f"and has {container.limit_bytes / MIB:.0f}"
    )


def count_processes(environment: dict[str, str]) -> int:
    """Reads gunicorn's own variable, which the image sets and a container may override."""
    arguments = environment.get("GUNICORN_CMD_ARGS", "").split()
    assert not {"-w", "--workers", "--worker-class", "-k"} & set(arguments), arguments
    if "WEB_CONCURRENCY" in environment:
        return int(environment["WEB_CONCURRENCY"])
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return int(re.findall(r"\bWEB_CONCURRENCY=(\d+)", dockerfile)[-1])
