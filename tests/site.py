"""A running site: gunicorn with two processes of four threads, as in production."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import requests

from local.children import spawn
from local.servers import free_port
from tests.faults import Faults

ROOT = Path(__file__).resolve().parents[1]

PROCESSES, THREADS = 2, 4


@dataclass
class Site:
    """The URL it listens on, and calls to it. `token` belongs to a client."""

    process: subprocess.Popen[bytes]
    port: int
    faults: Faults
    log_path: Path
    token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        data: bytes | None = None,
        key: str | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> requests.Response:
        sent = {"Authorization": f"Bearer {self.token if token is None else token}"}
        if key is not None:
            sent["Idempotency-Key"] = key
        if json_body is not None:
            data = json.dumps(json_body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        if sent["Authorization"] == "Bearer ":
            del sent["Authorization"]
        return requests.request(method, self.url + path, data=data, headers=sent, timeout=timeout_s)

    def book(self, key: str | None = None, **fields: Any) -> requests.Response:
        """POST /api/bookings; `token` and `timeout_s` go to the request, the rest is the body."""
        options = {name: fields.pop(name) for name in ("token", "timeout_s") if name in fields}
        return self.request("POST", "/api/bookings", json_body=fields, key=key, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, key: str | None = None, **options: Any) -> requests.Response:
        return self.request("POST", path, key=key, **options)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start_site(environment: dict[str, str], folder: Path) -> Site:
    """Starts gunicorn and returns once it answers."""
    faults = Faults(Path(tempfile.mkdtemp(dir=folder)))
    port = free_port()
    log_path = folder / f"gunicorn-{port}.log"
    with log_path.open("wb") as log:
        process = spawn(
            [
                sys.executable, "-m", "gunicorn", "tests.wsgi:application",
                "--workers", str(PROCESSES), "--threads", str(THREADS),
                "--bind", f"127.0.0.1:{port}",
            ],
            output=log,
            death_signal=signal.SIGKILL,
            env={**environment, "TEST_FAULTS": str(faults.folder)},
        )  # fmt: skip
    site = Site(process, port, faults, log_path)
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            if requests.get(f"{site.url}/api/health", timeout=5).ok:
                return site
        except requests.RequestException:
            time.sleep(0.05)
    site.stop()
    raise AssertionError(f"the site did not start:\n{log_path.read_text()[-3000:]}")


def all_at_once(calls: Sequence[Callable[[], requests.Response]]) -> list[requests.Response]:
    """Makes each call from its own thread, all released at the same moment."""
    barrier = Barrier(len(calls))

    def call(number: int) -> requests.Response:
        barrier.wait()
        return calls[number]()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, range(len(calls))))


def codes(responses: Sequence[requests.Response]) -> Counter[str]:
    """How often each outcome came: the problem's code, or the status of a success."""
    return Counter(
        response.json().get("code") or str(response.status_code) for response in responses
    )
