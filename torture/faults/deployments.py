"""Deployments: parts end as they are asked to and start again, one after the other."""

from __future__ import annotations

import random
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from local.children import Child
from torture.faults import Phases, fault
from torture.stack import Stack

# As docs/operations says for what runs the containers: then they are killed.
LONGEST_END_S = 25.0
LONGEST_START_S = 20.0
POLL_S = 0.25
# A process that has just started has enough to do.
READY_POLL_S = 1.0

PARTS = ("web_a", "web_b", "worker", "beat")
TOUCHES = ("web_parts", "worker", "beat")


def _part(stack: Stack, name: str) -> Child:
    return {"worker": stack.worker, "beat": stack.beat, **stack.webs}[name]


def _start(stack: Stack, name: str, release: Path | None) -> None:
    if name == "worker":
        stack.worker = stack.start_worker(name, release=release)
    elif name == "beat":
        stack.beat = stack.start_beat(name)
    else:
        stack.start_web(name, release=release)


class Rollout:
    """Restarts parts, and knows which of them are not as they should be at the end."""

    def __init__(self, stack: Stack, parts: tuple[str, ...] = PARTS) -> None:
        self._stack = stack
        self._old = set(parts)

    def restart(self, name: str, *, release: Path | None = None) -> Generator[float]:
        """Asks a part to end, starts it again once it has, and waits until it works."""
        part = _part(self._stack, name)
        # Until it runs what it should run, `finish` has work to do.
        self._old.add(name)
        if part.process:
            with suppress(ProcessLookupError):
                part.process.send_signal(signal.SIGTERM)
        for _ in range(int(LONGEST_END_S / POLL_S)):
            if not part.is_running:
                break
            yield POLL_S
        self._replace(name, release)
        if name in self._stack.webs:
            for _ in range(int(LONGEST_START_S / READY_POLL_S)):
                yield READY_POLL_S
                if self._stack.is_ready(name, timeout_s=0.2):
                    break

    def finish(self) -> None:
        """Has every part run this release with the keys of now, at once."""
        for name in sorted(self._old):
            self._replace(name, None)

    def _replace(self, name: str, release: Path | None) -> None:
        self._stack.end(_part(self._stack, name))
        _start(self._stack, name, release)
        if release is None:
            self._old.discard(name)


@fault("deployments", lasts_s=(48, 54), touches=TOUCHES)
def rolled_out(stack: Stack, _: random.Random) -> Phases:
    """Each part is restarted, one after the other."""
    rollout = Rollout(stack)
    try:
        for name in PARTS:
            yield from rollout.restart(name)
        yield None
    finally:
        rollout.finish()
    return None


@fault("deployments", lasts_s=(48, 54), touches=TOUCHES)
def secret_key_rotated(stack: Stack, _: random.Random) -> Phases:
    """Part after part takes the next SECRET_KEY, which the others accept already."""
    stack.rotate_secret_keys()
    rollout = Rollout(stack)
    try:
        for name in PARTS:
            yield from rollout.restart(name)
        yield None
    finally:
        rollout.finish()
    return None


def _has_no_earlier_release(stack: Stack) -> str:
    return "" if stack.options.release_before else "RELEASE_BEFORE is not set"


@fault("deployments", lasts_s=(50, 54), touches=TOUCHES, missing=_has_no_earlier_release)
def releases_side_by_side(stack: Stack, dice: random.Random) -> Phases:
    """One web server and the worker run the earlier release for a while, beside this one."""
    web = dice.choice(("web_a", "web_b"))
    rollout = Rollout(stack, ())
    try:
        yield from rollout.restart(web, release=stack.options.release_before)
        yield from rollout.restart("worker", release=stack.options.release_before)
        yield 10.0
        yield from rollout.restart(web)
        yield from rollout.restart("worker")
        yield None
    finally:
        rollout.finish()
    return None
