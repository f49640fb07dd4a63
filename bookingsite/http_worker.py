"""gunicorn's worker with threads, except that its loop waits for requests, not its threads.

gthread gives a connection to one of its few threads at the first byte, and the thread then waits
for the rest. Sixteen clients that send a byte every four seconds stop a site of eight threads. Here
the loop, which also watches idle connections, reads without waiting. It parses a head once it is
complete, collects the body, and only then has a thread serve the request. A slow client therefore
costs a socket and a few kB, and the threads are left for requests that wait for MongoDB.

Head and body each have a deadline, counted from their first byte. A body of more than 64 kB is not
collected but left on the socket, where bodies.py has a thread read it for staff, or refuses it. The
thread also sends the answer, and a client that does not take it in time loses its connection. When
the worker has no sockets left, it closes the connection that was silent for longest.

Why neither configuration nor another class would do: docs/decisions/0021-slow-clients.md.
"""

import errno
import fcntl
import html
import io
import re
import select
import socket
import struct
import sys
import termios
import time
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any

from gunicorn.http import errors as faults
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from bookings.refusals import Refusal, RequestTimeout, ServerError, UnreadableRequest
from bookingsite.body_limits import DEFAULT, BodyLimit, limit_for

# Clients send a head in one piece, or a few; five seconds allow for lines that lose packets.
HEAD_TIMEOUT_S = 5.0

# nginx has the same limit; cookies and URLs are far smaller.
MAX_HEAD_BYTES = 32 * 1024

# The lines around chunks come on top of a body; honest chunks have a kB or more.
MAX_FRAMING_BYTES = 8 * 1024

READ_BYTES = 16 * 1024

# Longer than another process needs to wake up.
ACCEPT_PAUSE_S = 0.0005

# A connection is closed after an answer that took the client longer than this.
SLOW_S = 1.0

# How often the loop looks for late clients.
LOOK_INTERVAL_S = 0.5

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# The path of a head, as far as it says whose answer it gets.
_PATH = re.compile(rb"(?:\r\n)?[^ \r\n]+ (?:https?://[^/ \r\n]*)?(/[a-z]+/)")

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")

# The faults that are not answered 400; gunicorn answers the same.
_STATUSES: dict[type[Exception], HTTPStatus] = {
    faults.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    faults.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    faults.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    faults.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


class NotARequest(Exception):
    """The bytes that arrived are no request for Django, so the worker answers them."""

    def __init__(self, refusal: Refusal, head: bytes) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        found = _PATH.match(head)
        self.path = found[1].decode() if found else ""


class Worker(ThreadWorker):
    """Serves requests once they have arrived."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._looks_again_at_s = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            sys.exit("Take --certfile and --keyfile away: a proxy in front of the site ends TLS.")
        if cfg.sendfile:
            sys.exit(
                "Leave sendfile off: this worker sends files in pieces, to notice who takes none."
            )
        super().check_config(cfg, log)

    def accept(self, listener: Any) -> None:
        """Accepts a connection, and leaves the next one to the other processes for a moment.

        All processes wait on one socket. The one that is awake would accept a whole crowd by
        itself, and serve it with one processor while the others sleep.
        """
        super().accept(listener)
        time.sleep(ACCEPT_PAUSE_S)

    def enqueue_req(self, conn: TConn) -> None:
        """Has a thread serve the connection's request if it is complete, or else waits for it.

        ThreadWorker calls this when a connection is new, when it has become readable, and when it
        was served and has already sent more.
        """
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        if conn.parser is None:
            conn.sock = Client(fileno=conn.sock.detach())
            conn.parser, conn.initialized = Arrival(self.cfg, conn), True
        try:
            data = conn.sock.recv(READ_BYTES)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        conn.parser.feed(data or b"")
        if conn.parser.is_ready:
            super().enqueue_req(conn)
        elif data == b"":
            self._drop(conn)
        else:
            self._wait_for(conn)

    def _wait_for(self, conn: TConn) -> None:
        if conn.parser.has_begun:
            self.pending_conns.append(conn)
            then = self.on_pending_socket_readable
        else:
            conn.set_timeout()
            if not self.alive:
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(conn)
            then = self.on_client_socket_readable
        self.poller.register(conn.sock, EVENT_READ, partial(then, conn))

    def _make_room(self) -> None:
        """Drops the connection that was silent for longest, preferably one without a request."""
        for waiting in (self.keepalived_conns, self.pending_conns):
            if waiting:
                conn = waiting.popleft()
                self.poller.unregister(conn.sock)
                self._drop(conn)
                return

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Answers requests whose head or body is late; ThreadWorker calls this in its loop."""
        now_s = time.monotonic()
        if now_s < self._looks_again_at_s:
            return
        self._looks_again_at_s = now_s + LOOK_INTERVAL_S
        for conn in [conn for conn in self.pending_conns if conn.parser.ends_at_s < now_s]:
            self.pending_conns.remove(conn)
            self.poller.unregister(conn.sock)
            conn.parser.give_up()
            super().enqueue_req(conn)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        conn.sock.begin_answer()
        is_kept: bool = super().handle_request(req, conn)
        conn.sock.end_answer()
        # A client that lets a thread wait may have more requests on the way, and would again.
        return is_kept and not conn.sock.was_slow

    def handle_error(self, req: Request | None, client: "Client", addr: Any, exc: Any) -> None:
        """Answers in Django's place: a problem document for paths under /api/, else a page."""
        if isinstance(exc, NotARequest):
            refusal, path = exc.refusal, exc.path
            # The line says neither what was sent nor from where.
            self.log.warning("not_an_http_request")
        else:
            refusal, path = ServerError(), req.path if req is not None else ""
            self.log.error("unexpected_error", exc_info=exc)
        try:
            # Past `sendall`, which takes the first thing that an answer sends for its head.
            client.send_now(_to_http(refusal, path))
        except OSError:
            self.log.debug("The client does not take its answer.")


class Client(socket.socket):
    """A client's connection. Sending an answer may take as long as receiving a body.

    Only the time in which the client makes a thread wait counts, not the time to make the answer.

    Every system call that lets go of the interpreter costs a dance of the threads that want it. So
    the socket never changes its mode, is asked without waiting first, and sends head and body of an
    answer together.
    """

    _sent_bytes, _waited_s = 0, 0.0
    _is_beginning, _head = False, b""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        super().setblocking(False)

    @property
    def was_slow(self) -> bool:
        """Whether the client made a thread wait for long before it took the answer."""
        return self._waited_s > SLOW_S

    def setblocking(self, flag: bool, /) -> None:
        """Does nothing: gunicorn asks for another mode before and after every request."""

    def begin_answer(self) -> None:
        """Starts the time for the next answer."""
        self._sent_bytes, self._waited_s = 0, 0.0
        self._is_beginning, self._head = True, b""

    def end_answer(self) -> None:
        """Sends the head of an answer without a body."""
        self._is_beginning = False
        if self._head:
            self.sendall(b"")

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Raises ConnectionResetError when the time is up, as if the client had gone."""
        if self._is_beginning:
            self._is_beginning = False
            self._head = bytes(data)
            return
        if self._head:
            data, self._head = self._head + bytes(data), b""
        self.send_now(data)

    def send_now(self, data: Any) -> None:
        """Sends all of the data, and keeps no head back."""
        left = memoryview(data)
        while left:
            try:
                sent_bytes = self.send(left[:READ_BYTES])
            except BlockingIOError:
                self._wait_until_writable()
                continue
            self._sent_bytes += sent_bytes
            left = left[sent_bytes:]

    def _wait_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        while True:
            left_s = DEFAULT.allowed_s(self._taken_bytes()) - self._waited_s
            if left_s <= 0:
                raise ConnectionResetError(errno.ECONNRESET, "the client does not take its answer")
            began_at_s = time.monotonic()
            is_writable = poll.poll(min(left_s, LOOK_INTERVAL_S) * 1000)
            self._waited_s += time.monotonic() - began_at_s
            if is_writable:
                return

    def _taken_bytes(self) -> int:
        """How much of the answer the client has taken.

        The system takes a megabyte from us before a client has taken anything, and that would earn
        the client a minute.
        """
        try:
            waiting = struct.unpack("i", fcntl.ioctl(self, termios.TIOCOUTQ, bytes(4)))[0]
        except OSError:
            waiting = 0  # a system that does not tell
        return max(0, self._sent_bytes - waiting)


class Arrival(RequestParser):
    """The part of a connection's next request that has arrived.

    It takes the place of gunicorn's parser in ThreadWorker, and extends it: the same code judges
    heads and decodes chunks, once they are complete. The loop feeds it, and a thread takes the
    request.
    """

    def __init__(self, cfg: Any, conn: TConn) -> None:
        super().__init__(cfg, _Nothing(), conn.client)
        self._sock = conn.sock
        self._begin()

    def _begin(self) -> None:
        self._request: Request | None = None
        self._fault: Exception | None = None
        self._chunks: _Chunks | None = None
        self._is_open = False
        self.is_ready = False
        self.ends_at_s = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether a byte of the request has arrived."""
        return self._request is not None or self._arrived_bytes > 0

    @property
    def _arrived_bytes(self) -> int:
        return self.unreader.buf.getbuffer().nbytes

    def feed(self, data: bytes) -> None:
        """Adds the bytes that have arrived, possibly none."""
        had_begun = self.ends_at_s > 0
        self.unreader.buf.seek(0, io.SEEK_END)
        self.unreader.buf.write(data)
        if self.has_begun and not had_begun:
            self.ends_at_s = time.monotonic() + HEAD_TIMEOUT_S
        if self._request is None:
            self._read_head()
        if self._request is not None and not self.is_ready:
            self._read_body()

    def _read_head(self) -> None:
        arrived = self.unreader.buf.getvalue()
        # A bare line feed is refused at once, so there is nothing to wait for.
        is_plain = arrived.count(b"\n") == arrived.count(b"\r\n")
        if b"\r\n\r\n" not in arrived and is_plain and len(arrived) <= MAX_HEAD_BYTES:
            return
        try:
            request = super().__next__()
        except BlockingIOError:  # the head has no end
            self._refuse(faults.LimitRequestHeaders("head"), arrived)
        except Exception as error:  # the loop goes on, whatever a stranger sends
            self._refuse(error, arrived)
        else:
            self._request = request
            self._head = arrived
            self._body_begins_at_s = time.monotonic()
            if isinstance(request.body.reader, ChunkedReader):
                self._chunks = _Chunks()
            elif request.body.reader.length > DEFAULT.max_bytes:
                self._leave_open()
            if request._expected_100_continue and not self._is_open:
                # A client that waits for this has not sent any of the body yet.
                request._expected_100_continue = False
                if self._arrived_bytes == 0:
                    _send_now(self._sock, _CONTINUE)

    def _read_body(self) -> None:
        assert self._request is not None
        arrived_bytes = self._arrived_bytes
        if self._chunks is None:
            if arrived_bytes >= self._request.body.reader.length:
                self._finish()
        elif self._chunks.are_whole(self.unreader.buf.getvalue()):
            self._finish()
        elif max(arrived_bytes, self._chunks.needed_bytes) > DEFAULT.max_bytes + MAX_FRAMING_BYTES:
            self._cut_off(length=DEFAULT.max_bytes + 1)
        self.ends_at_s = self._body_begins_at_s + DEFAULT.allowed_s(arrived_bytes)

    def _finish(self) -> None:
        """Gives the request its whole body, decoded from its chunks."""
        assert self._request is not None
        try:
            body = self._request.body.read()
        except Exception as error:  # as above
            self._refuse(error, self._head)
            return
        if self._chunks is not None:
            _give_length(self._request, len(body))
        self._request.body = io.BytesIO(body)
        self.is_ready = True

    def _leave_open(self) -> None:
        """Leaves the body on the socket, for a thread that may wait for it."""
        assert self._request is not None
        self.unreader.sock = _OpenBody(self._sock, self._request, limit_for(self._request.path))
        self._request._expected_100_continue = False
        self._request.force_close()
        self._is_open = self.is_ready = True

    def _cut_off(self, *, length: int) -> None:
        """Has Django refuse a body that is late or too long."""
        assert self._request is not None
        _give_length(self._request, length)
        self._request.body = _NoBody()
        self._request.force_close()
        self._is_open = self.is_ready = True

    def _refuse(self, error: Exception, head: bytes) -> None:
        self.is_ready = True
        if not isinstance(error, (faults.ParseException, BlockingIOError)):
            self._fault = error
            return
        refusal = UnreadableRequest(status=_STATUSES.get(type(error), HTTPStatus.BAD_REQUEST))
        self._fault = NotARequest(refusal, head)

    def give_up(self) -> None:
        """Has the late request answered with a time-out."""
        if self._request is not None:
            self._cut_off(length=1)
            return
        self._fault = NotARequest(RequestTimeout(), self.unreader.buf.getvalue())
        self.is_ready = True

    def __next__(self) -> Request:
        """Hands the request to the thread that will serve it."""
        request, fault, was_open = self._request, self._fault, self._is_open
        self._begin()
        self._is_open = was_open
        if fault is not None:
            raise fault
        return request

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Whether the next request can follow, which it cannot after a body left on the socket."""
        return not self._is_open


class _Nothing:
    """The source of a parser that is fed: it never has more than the parser was given."""

    def recv(self, size: int) -> bytes:
        raise BlockingIOError


class _NoBody:
    """A body that did not arrive in time."""

    def read(self, size: int | None = None) -> bytes:
        raise TimeoutError("the body did not arrive in time")

    readline = read


class _OpenBody:
    """A client's socket, with the body's deadline from the moment a thread begins to read it."""

    def __init__(self, sock: Client, request: Request, limit: BodyLimit) -> None:
        self._sock = sock
        self._limit = limit
        self._is_awaited = request._expected_100_continue
        # Before that, the body waits for its turn (bodies.py), which its client cannot help.
        self._began_at_s: float | None = None
        self._arrived_bytes = 0

    def recv(self, size: int) -> bytes:
        if self._is_awaited:
            self._is_awaited = False
            self._sock.send_now(_CONTINUE)
        if self._began_at_s is None:
            self._began_at_s = time.monotonic()
        ends_at_s = self._began_at_s + self._limit.allowed_s(self._arrived_bytes)
        left_s = ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the body did not arrive in time")
        self._sock.settimeout(left_s)
        try:
            data = self._sock.recv(size)
        finally:
            self._sock.settimeout(0.0)
        self._arrived_bytes += len(data)
        return data


class _Chunks:
    """Finds where a chunked body ends. gunicorn then decodes it, and refuses it if it is wrong."""

    def __init__(self) -> None:
        # At least this many bytes will come: a chunk counts as soon as its size is announced.
        self.needed_bytes = 0
        self._at = 0
        self._is_behind_last = False

    def are_whole(self, arrived: bytes) -> bool:
        """Whether the last chunk and any trailers have arrived. Each call gets all bytes so far."""
        while (line_ends_at := arrived.find(b"\r\n", self._at)) >= 0:
            line = arrived[self._at : line_ends_at]
            if self._is_behind_last:
                if not line:
                    return True
                self._at = line_ends_at + 2
                continue
            size = _CHUNK_SIZE.fullmatch(line.partition(b";")[0].rstrip(b" \t"))
            if size is None:
                return True
            size_bytes = int(size[0], 16)
            next_at = line_ends_at + 2 + (size_bytes + 2 if size_bytes else 0)
            self.needed_bytes = next_at
            if len(arrived) < next_at:
                return False
            self._is_behind_last = size_bytes == 0
            self._at = next_at
        return False


def _give_length(request: Request, length: int) -> None:
    """Turns a chunked request into one with a length, as Django and DRF expect."""
    framing = ("TRANSFER-ENCODING", "CONTENT-LENGTH", "TRAILER")
    request.headers = [(name, value) for name, value in request.headers if name not in framing]
    request.headers.append(("CONTENT-LENGTH", str(length)))


def _send_now(sock: socket.socket, data: bytes) -> None:
    """Sends a few bytes without waiting. If the client's buffer is full, they are dropped."""
    try:
        sock.send(data)
    except OSError:
        return


def _to_http(refusal: Refusal, path: str) -> bytes:
    """The refusal as a complete HTTP answer, made without Django."""
    # These need Django's models, and gunicorn imports this module before they are loaded.
    from bookings.content.brand.reading import known_brand
    from bookings.infrastructure.embedding import PREFIX
    from bookings.stays import answers

    if path.startswith("/api/"):
        answer = answers.problem(refusal)
        content_type, body = answer.content_type, answer.body
    else:
        content_type = "text/html; charset=utf-8"
        title, sentence = html.escape(refusal.title), html.escape(refusal.detail)
        body = (
            f'<!doctype html>\n<html lang="en">\n<title>{title}</title>\n'
            f"<h1>{title}</h1>\n<p>{sentence}</p>\n</html>\n"
        ).encode()
    # As for Django's answers, only the hotel's own websites may have it in a frame.
    origins = known_brand().origins if path.startswith(PREFIX) else ()
    framed_by = " ".join(origins) or "'none'"
    head = (
        f"HTTP/1.1 {refusal.status:d} {HTTPStatus(refusal.status).phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Security-Policy: default-src 'none'; frame-ancestors {framed_by}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
