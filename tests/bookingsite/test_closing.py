"""How gunicorn closes the sockets of clients who stopped in the middle (gunicorn.conf.py)."""

from __future__ import annotations

import runpy
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn import util

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def conf() -> Iterator[dict[str, Any]]:
    """The configuration as gunicorn reads it; gunicorn's own function is restored."""
    own = util.close_graceful
    yield runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    util.close_graceful = own


def lingering() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lingering"]


def test_waits_for_a_client_on_a_thread_of_its_own(conf: dict[str, Any]) -> None:
    server, client = socket.socketpair()
    client.sendall(b"half a form")

    util.close_graceful(server)

    (thread,) = lingering()
    assert client.recv(1) == b"", "the client is told that nothing more comes"
    client.close()
    thread.join(1)
    assert not thread.is_alive()
    assert server.fileno() == -1


def test_waits_for_so_many_at_a_time_and_closes_others_at_once(conf: dict[str, Any]) -> None:
    pairs = [socket.socketpair() for _ in range(conf["MAX_LINGERING"] + 1)]

    for server, _ in pairs:
        util.close_graceful(server)

    assert len(lingering()) == conf["MAX_LINGERING"]
    assert pairs[-1][0].fileno() == -1
    threads = lingering()
    for _, client in pairs:
        client.close()
    for thread in threads:
        thread.join(1)
    assert lingering() == []
