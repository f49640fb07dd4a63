"""Small TCP proxies in one process, through which members and site reach MongoDB and Redis.

Each passes bytes on until it is told otherwise: one JSON object a line on standard input, answered
with one line. `{"link": "mongod0", "mode": "cut", "of": ["site"]}` changes how the link treats
those who come over it:

    pass     passes everything on
    cut      passes nothing on and tells nobody, like a cable that was pulled
    reset    ends every connection, and each new one at once
    lose     passes requests on and swallows the answers, then ends the connection
    slow     waits `delay_s` before each piece, both ways

Who comes over a link is known by the process at the other end of the connection: the members of the
replica set by their ids (`{"pids": {"mongod0": 123}}`), all others are the site.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any

SITE = "site"


@dataclass(frozen=True)
class Rule:
    mode: str = "pass"
    delay_s: float = 0.0


class Link:
    """One proxy: where it listens, where it leads, and how it treats whom."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.rules: dict[str, Rule] = {}
        self.connections: set[Connection] = set()

    def rule_for(self, who: str) -> Rule:
        return self.rules.get(who, Rule())


class Connection:
    """Two ends; each is an `End`. Pieces that wait while it is cut are passed on afterwards."""

    def __init__(self, link: Link, who: str) -> None:
        self.link = link
        self.who = who
        self.ends: list[End] = []
        link.connections.add(self)

    @property
    def rule(self) -> Rule:
        return self.link.rule_for(self.who)

    def other(self, end: End) -> End | None:
        return next((each for each in self.ends if each is not end), None)

    def obey(self) -> None:
        """Does what the rule says now, after it changed."""
        if self.rule.mode == "reset":
            self.close()
        for end in self.ends:
            end.flush()

    def close(self) -> None:
        self.link.connections.discard(self)
        for end in self.ends:
            if end.transport:
                end.transport.abort()


class End(asyncio.Protocol):
    """One end of a connection; what it receives goes to the other end."""

    def __init__(self, connection: Connection, *, is_server: bool) -> None:
        self.connection = connection
        self.is_server = is_server
        self.transport: asyncio.Transport | None = None
        # What to pass on, and when at the earliest while the link is slow.
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._has_ended = False
        connection.ends.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        other = self.connection.other(self)
        if other:
            other.flush()

    def data_received(self, data: bytes) -> None:
        rule = self.connection.rule
        if rule.mode == "lose" and self.is_server:
            # The server did what it was asked to do.
            asyncio.get_running_loop().call_later(0.05, self.connection.close)
            return
        self._waiting.append((asyncio.get_running_loop().time() + rule.delay_s, data))
        self.flush()

    def flush(self) -> None:
        """Passes on what may be passed on now. Nothing overtakes what came before it."""
        other = self.connection.other(self)
        mode = self.connection.rule.mode
        if not other or not other.transport or mode == "cut":
            return
        loop = asyncio.get_running_loop()
        while self._waiting and (mode != "slow" or self._waiting[0][0] <= loop.time()):
            other.transport.write(self._waiting.popleft()[1])
        if self._waiting:
            loop.call_at(self._waiting[0][0], self.flush)
        elif self._has_ended:
            other.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._has_ended = True
        self.flush()
        if all(end._has_ended for end in self.connection.ends):
            self.connection.link.connections.discard(self.connection)


class Proxies:
    """All links of a run, and the commands that change them."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.pids: dict[str, int] = {}

    async def open(self, name: str, listen: int, port: int) -> None:
        link = Link(name, port)
        self.links[name] = link
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: _Accepted(self, link), "127.0.0.1", listen, backlog=512)

    def who_is(self, client_port: int, listen_port: int) -> str:
        """The member whose process holds this connection, or the site."""
        inode = _inode_of(client_port, listen_port)
        if inode:
            for name, pid in self.pids.items():
                if _holds(pid, inode):
                    return name
        return SITE

    def obey(self, command: dict[str, Any]) -> None:
        if "pids" in command:
            self.pids.update(command["pids"])
            return
        link = self.links[command["link"]]
        for who in command["of"]:
            link.rules[who] = Rule(command["mode"], command.get("delay_s", 0.0))
        for connection in list(link.connections):
            connection.obey()


class _Accepted(End):
    """The client's end of a connection; it opens the other one."""

    def __init__(self, proxies: Proxies, link: Link) -> None:
        super().__init__(Connection(link, SITE), is_server=False)
        self._proxies = proxies

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection, link = self.connection, self.connection.link
        connection.who = self._proxies.who_is(
            transport.get_extra_info("peername")[1], transport.get_extra_info("sockname")[1]
        )
        if connection.rule.mode == "reset":
            connection.close()
            return
        asyncio.get_running_loop().create_task(self._open(link.port))

    async def _open(self, port: int) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: End(self.connection, is_server=True), "127.0.0.1", port
            )
        except OSError:
            self.connection.close()


def _inode_of(client_port: int, listen_port: int) -> str:
    local, remote = f":{client_port:04X}", f":{listen_port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:  # noqa: PTH123
        for line in table:
            fields = line.split()
            if fields[1].endswith(local) and fields[2].endswith(remote):
                return fields[9]
    return ""


def _holds(pid: int, inode: str) -> bool:
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(entry.path) == f"socket:[{inode}]":
                    return True
    return False


async def serve(links: list[tuple[str, int, int]]) -> None:
    """Opens the links and obeys commands until standard input ends."""
    proxies = Proxies()
    for name, listen, port in links:
        await proxies.open(name, listen, port)
    commands: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: commands.put_nowait(sys.stdin.readline()))
    _say("ready")
    while line := await commands.get():
        proxies.obey(json.loads(line))
        _say("done")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve([tuple(link) for link in json.loads(sys.argv[1])]))
