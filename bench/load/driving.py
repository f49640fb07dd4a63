"""Sends requests and measures the answers.

`stream` has wrk send one request after another on each of several connections. `Crowd` is a loop of
our own for requests that must go out together, or that depend on the answer before. Its time is
about a twentieth of the site's; wrk's is far less.
"""

import contextlib
import json
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from bench.load.cpu import spent_s

TIMEOUT_S = 20.0

# After a round its last requests are still being served, which must not be charged to the next
# round. Processes are at rest once they spend less than a tenth of a processor, as mongod may do
# for itself.
REST_LOOK_S = 0.1
REST_SPENT_S = 0.01

# A flow yields requests, to send now or later, and gets the answer to each.
Flow = Generator["bytes | Later", "HttpAnswer", None]

# Reads the requests once, sends them in turn, and starts again only if there is a single one.
_WRK_SCRIPT = """
local requests, sent, statuses, threads = {}, 0, {}, {}
function setup(thread) table.insert(threads, thread) end
function init()
  _G.statuses = {}
  local file = io.open("REQUESTS", "rb")
  while true do
    local head = file:read(4)
    if not head then break end
    local a, b, c, d = head:byte(1, 4)
    table.insert(requests, file:read(((a * 256 + b) * 256 + c) * 256 + d))
  end
  file:close()
end
function request()
  if #requests == 1 then return requests[1] end
  sent = sent + 1
  if not requests[sent] then
    wrk.thread:stop()
    return requests[#requests]
  end
  return requests[sent]
end
function response(status)
  local name = "s" .. status
  _G.statuses[name] = (_G.statuses[name] or 0) + 1
end
function done(summary, latency)
  local counts = {}
  for name, number in pairs(threads[1]:get("statuses")) do
    table.insert(counts, string.format('"%s": %d', name:sub(2), number))
  end
  local errors = summary.errors
  io.write(string.format(
    '\\nMEASURED {"requests": %d, "wall_s": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d, '
    .. '"statuses": {%s}}\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ", ")))
end
"""


Processes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Sample:
    """What one round of requests did. Status 0 stands for a request without a whole answer.

    `cpu_ms` is the processor time of a request, by process.
    """

    requests: int
    wall_s: float
    p50_ms: float
    p99_ms: float
    statuses: Mapping[int, int]
    cpu_ms: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer. Status 0 says that the connection broke or that the time was up."""

    status: int
    body: bytes
    took_ms: float
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Later:
    """A request that its flow sends after a pause."""

    request: bytes
    wait_s: float


def raw_request(
    url: str,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Mapping[str, object] | None = None,
) -> bytes:
    """The bytes of a request with a JSON body, or without one."""
    sent = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append("Content-Type: application/json")
    if method != "GET":
        lines.append(f"Content-Length: {len(sent)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + sent


def stream(
    url: str,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: int,
    processes: Processes,
) -> Sample:
    """Has wrk send the requests, each once, or the only one again and again, for some seconds.

    The processes are those whose time is measured.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("Install wrk first: sudo apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="bookingsite-wrk-") as name:
        folder = Path(name)
        records = (struct.pack(">I", len(each)) + each for each in requests)
        (folder / "requests").write_bytes(b"".join(records))
        script = _WRK_SCRIPT.replace("REQUESTS", str(folder / "requests"))
        (folder / "script.lua").write_text(script)
        before_s = spent_s(processes)
        said = subprocess.run(
            [
                *(wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s"),
                *("--timeout", f"{TIMEOUT_S:.0f}s", "-s", str(folder / "script.lua"), url),
            ],
            capture_output=True, text=True, check=True, timeout=seconds + 2 * TIMEOUT_S,
        ).stdout  # fmt: skip
        after_s = spent_s(processes)
    wait_for_rest(processes)
    measured = next(line for line in said.splitlines() if line.startswith("MEASURED"))
    figures = json.loads(measured.removeprefix("MEASURED"))
    statuses = Counter({int(status): number for status, number in figures["statuses"].items()})
    if figures["failed"]:
        statuses[0] += figures["failed"]
    return Sample(
        requests=statuses.total(),
        wall_s=figures["wall_s"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        statuses=statuses,
        cpu_ms=_each_ms(before_s, after_s, statuses.total()),
    )


def wait_for_rest(processes: Processes) -> None:
    """Returns once the processes have nothing left to do, or after TIMEOUT_S."""
    ends_at_s = time.monotonic() + TIMEOUT_S
    spent = sum(spent_s(processes).values())
    while time.monotonic() < ends_at_s:
        time.sleep(REST_LOOK_S)
        before, spent = spent, sum(spent_s(processes).values())
        if spent - before < REST_SPENT_S:
            return


def measured(run: Callable[[], Sequence[HttpAnswer]], *, processes: Processes) -> Sample:
    """The sample that the answers of this call make."""
    before_s, began_s = spent_s(processes), time.perf_counter()
    answers = run()
    wall_s, after_s = time.perf_counter() - began_s, spent_s(processes)
    took_ms = [answer.took_ms for answer in answers] or [0.0]
    return Sample(
        requests=len(answers),
        wall_s=wall_s,
        p50_ms=median(took_ms),
        p99_ms=quantiles(took_ms, n=100)[-1] if len(took_ms) > 1 else took_ms[0],
        statuses=Counter(answer.status for answer in answers),
        cpu_ms=_each_ms(before_s, after_s, len(answers)),
    )


def _each_ms(
    before_s: Mapping[str, float], after_s: Mapping[str, float], requests: int
) -> dict[str, float]:
    return {name: 1000 * (after_s[name] - before_s[name]) / max(1, requests) for name in after_s}


class Crowd:
    """Connections to one server that stay open, with at most one request on each.

    They are opened at once, or each when it is first needed, as a crowd of clients does.
    """

    def __init__(self, url: str, size: int, *, opens_late: bool = False) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._loop = selectors.DefaultSelector()
        self._connections = [_Connection() for _ in range(size)]
        if not opens_late:
            for connection in self._connections:
                self._open(connection)

    def close(self) -> None:
        for connection in self._connections:
            if connection.socket is not None:
                connection.socket.close()
        self._loop.close()

    def ask(self, request: bytes) -> HttpAnswer:
        """The answer to one request."""
        return self.burst([request])[0]

    def burst(self, requests: Sequence[bytes]) -> list[HttpAnswer]:
        """Sends all requests at once, each on its own connection; the answers as they arrive."""

        def flow(request: bytes) -> Flow:
            yield request

        return self.all_flows(map(flow, requests))

    def all_flows(self, flows: Iterable[Flow]) -> list[HttpAnswer]:
        """Runs each of these flows, as many at once as there are connections; their answers."""
        return self._run(iter(flows), until_s=float("inf"))

    def flows(self, make: Callable[[], Flow], *, seconds: float) -> list[HttpAnswer]:
        """Runs a flow on each connection, then further ones until the time is up. Flows that have
        begun are finished; the answers of all of them."""

        def endless() -> Iterator[Flow]:
            while True:
                yield make()

        return self._run(endless(), until_s=time.perf_counter() + seconds)

    def _run(self, left: Iterator[Flow], *, until_s: float) -> list[HttpAnswer]:
        answers: list[HttpAnswer] = []
        waiting: dict[_Connection, Flow] = {}
        # When to send what on which connection. The number decides between equal times.
        pauses: list[tuple[float, int, _Connection, bytes]] = []
        numbers = count()

        def go_on(connection: _Connection, asked: bytes | Later) -> None:
            if isinstance(asked, Later):
                due_s = time.perf_counter() + asked.wait_s
                heappush(pauses, (due_s, next(numbers), connection, asked.request))
            else:
                self._send(connection, asked)

        def begin_next(connection: _Connection) -> None:
            if (flow := next(left, None)) is not None:
                waiting[connection] = flow
                go_on(connection, next(flow))

        for connection in self._connections:
            begin_next(connection)
        while waiting:
            while pauses and pauses[0][0] <= time.perf_counter():
                _, _, connection, request = heappop(pauses)
                self._send(connection, request)
            pause_s = max(0.0, pauses[0][0] - time.perf_counter()) if pauses else TIMEOUT_S
            events = self._loop.select(min(pause_s, TIMEOUT_S))
            if not events and not pauses:
                answers += [self._break(connection) for connection in list(waiting)]
                break
            for key, _ in events:
                connection = key.data
                if not connection.is_asked:
                    self._reopen(connection)  # the server closed an idle connection
                    continue
                answer = connection.receive()
                if answer is None:
                    continue
                answers.append(answer)
                if answer.status == 0:
                    self._reopen(connection)
                try:
                    go_on(connection, waiting[connection].send(answer))
                except StopIteration:
                    del waiting[connection]
                    if time.perf_counter() < until_s:
                        begin_next(connection)
        return answers

    def _send(self, connection: "_Connection", request: bytes) -> None:
        if connection.socket is None:
            self._open(connection)
        connection.send(request)

    def _open(self, connection: "_Connection") -> None:
        connection.socket = socket.create_connection(self._address, timeout=TIMEOUT_S)
        connection.buffer.clear()
        self._loop.register(connection.socket, selectors.EVENT_READ, connection)

    def _reopen(self, connection: "_Connection") -> None:
        assert connection.socket is not None
        self._loop.unregister(connection.socket)
        connection.socket.close()
        self._open(connection)

    def _break(self, connection: "_Connection") -> HttpAnswer:
        connection.is_asked = False
        self._reopen(connection)
        return HttpAnswer(0, b"", TIMEOUT_S * 1000)


class _Connection:
    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.buffer = bytearray()
        self.is_asked = False
        self._sent_at_s = 0.0

    def send(self, request: bytes) -> None:
        assert self.socket is not None
        self.is_asked = True
        self._sent_at_s = time.perf_counter()
        with contextlib.suppress(OSError):  # receive() will see that it is broken
            self.socket.sendall(request)

    def receive(self) -> HttpAnswer | None:
        """The answer if all of it has arrived; every answer of these servers states its length."""
        assert self.socket is not None
        try:
            data = self.socket.recv(65_536)
        except OSError:
            data = b""
        took_ms = (time.perf_counter() - self._sent_at_s) * 1000
        if not data:
            self.is_asked = False
            return HttpAnswer(0, b"", took_ms)
        self.buffer += data
        head, end, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(_header(head, b"content-length") or 0)
        if len(rest) < length:
            return None
        self.buffer.clear()
        self.is_asked = False
        wait_s = _header(head, b"retry-after")
        return HttpAnswer(
            int(head[9:12]), rest[:length], took_ms, float(wait_s) if wait_s else None
        )


def _header(head: bytes, name: bytes) -> bytes:
    _, _, after = head.lower().partition(b"\r\n" + name + b":")
    return after.split(b"\r\n", 1)[0].strip()
