"""Child processes that their parent stops in order, and that die with it.

Each lives in its own session, so Ctrl-C in a terminal reaches only the parent, which then stops its
children one after the other.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from local.files import open_private

PR_SET_PDEATHSIG = 1


def spawn(
    argv: Sequence[str],
    *,
    output: int | IO[bytes],
    errors: int | IO[bytes] = subprocess.STDOUT,
    death_signal: signal.Signals,
    env: Mapping[str, str] | None = None,
    keep_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, which gets `death_signal` when this process dies.

    Linux sends that signal when the *thread* that forked ends: call this from the main thread.
    """
    parent_pid = os.getpid()
    # Looked up before the fork: between fork and exec the child must not import or load anything.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die_with_parent() -> None:
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        # If the parent died before the line above, no signal comes.
        if os.getppid() != parent_pid:
            os._exit(1)

    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        env={**os.environ, **(env or {})},
        start_new_session=True,
        preexec_fn=die_with_parent,
        pass_fds=keep_fds,
    )


def ask_for_death_signal(number: signal.Signals) -> None:
    """Have this process, which another program started, get a signal when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


@dataclass(kw_only=True)
class Child:
    """A program that runs until it is stopped and writes its output to a log file."""

    name: str
    argv: Sequence[str]
    log_path: Path
    death_signal: signal.Signals = signal.SIGTERM
    env: Mapping[str, str] = field(default_factory=dict)
    keep_fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = field(init=False, default=None, repr=False)

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ProcessLookupError(f"{self.name} was not started yet.")
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Run the program; call it from the main thread (see `spawn`)."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open_private(self.log_path) as log:
            self.process = spawn(
                self.argv,
                output=log,
                death_signal=self.death_signal,
                env=self.env,
                keep_fds=self.keep_fds,
            )

    def stop(self, *, timeout_s: float = 15.0) -> None:
        """Ask the program to end cleanly; kill it if it has not ended after `timeout_s`."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        # A frozen process does not see its SIGTERM until it is thawed.
        self.thaw()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End the program and its own children at once, as a crash would."""
        if self.process is not None:
            self.send_kill()
            self.process.wait()

    def send_kill(self) -> None:
        """Kill the program without waiting, since a signal handler must not wait."""
        # Only before it was waited for: afterwards its id may belong to another process.
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Pause the program: it keeps its connections and answers nothing."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen program continue."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
