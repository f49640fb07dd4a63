"""Small TCP proxies in one process, through which members and site reach MongoDB and Redis.

Each passes bytes on until it is told otherwise: one JSON object a line on standard input, answered
with one line. `{"link": "mongod0", "mode": "cut", "of": ["site"]}` changes how the link treats
those who come over it:

    pass     passes everything on
    cut      passes nothing on and does not say so, like a cable that was pulled
    reset    ends every connection, and each new one at once
    lose     passes requests on and swallows a `share` of the answers, then ends the connection
    slow     waits `delay_s` before each piece, both ways

Who comes over a link is known by the process at the other end of the connection: the members of the
replica set by their ids (`{"pids": {"mongod0": 123}}`), all others are the site. Finding out takes
long among thousands of sockets, so it is found out only while a link treats people differently.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SITE = "site"

# Connections of so long a time are looked up together.
IDENTIFY_AFTER_S = 0.05


@dataclass(frozen=True)
class Rule:
    mode: str = "pass"
    delay_s: float = 0.0
    share: float = 1.0


class Link:
    """One proxy: where it listens, where it leads, and how it treats whom."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.rules: dict[str, Rule] = {}
        self.connections: set[Connection] = set()

    def rule_for(self, who: str) -> Rule:
        return self.rules.get(who, Rule())

    @property
    def treats_all_alike(self) -> bool:
        return len({self.rule_for(who) for who in (SITE, *self.rules)}) == 1


class Connection:
    """Two ends; each is an `End`. Pieces that wait while it is cut are passed on afterwards."""

    def __init__(self, link: Link) -> None:
        self.link = link
        # Unknown until it matters.
        self.who = ""
        # The client's port and the link's own.
        self.ports: tuple[int, ...] = ()
        self.ends: list[End] = []
        link.connections.add(self)

    @property
    def rule(self) -> Rule:
        # While all are treated alike, the site is as good as any.
        return self.link.rule_for(self.who or SITE)

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
        self._is_losing = False
        connection.ends.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        other = self.connection.other(self)
        if other:
            other.flush()

    def data_received(self, data: bytes) -> None:
        rule = self.connection.rule
        if self._is_losing:
            return
        if rule.mode == "lose" and self.is_server and random.random() < rule.share:
            # The server did what it was asked to do. No later piece may fill the gap.
            self._is_losing = True
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
        self._unknown: list[_Accepted] = []

    async def open(self, name: str, listen: int, port: int) -> None:
        link = Link(name, port)
        self.links[name] = link
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: _Accepted(self, link), "127.0.0.1", listen, backlog=512)

    def identify(self, connections: Iterable[Connection]) -> None:
        """Finds out of each connection whose process holds its other end."""
        unknown = [each for each in connections if not each.who]
        if not unknown:
            return
        inodes = _inodes_by_ports()
        owners = {inode: name for name, pid in self.pids.items() for inode in _inodes_of(pid)}
        for each in unknown:
            each.who = owners.get(inodes.get(each.ports, ""), SITE)

    def identify_soon(self, accepted: _Accepted) -> None:
        """Finds out who came, for all who come at about the same time: it takes some milliseconds,
        and those who reach no one come again and again."""
        if not self._unknown:
            asyncio.get_running_loop().call_later(IDENTIFY_AFTER_S, self._identify_all)
        self._unknown.append(accepted)

    def _identify_all(self) -> None:
        unknown, self._unknown = self._unknown, []
        self.identify(each.connection for each in unknown)
        for each in unknown:
            each.open()

    def obey(self, command: dict[str, Any]) -> None:
        if "pids" in command:
            self.pids.update(command["pids"])
            return
        link = self.links[command["link"]]
        for who in command["of"]:
            link.rules[who] = Rule(
                command["mode"], command.get("delay_s", 0.0), command.get("share", 1.0)
            )
        if not link.treats_all_alike:
            self.identify(link.connections)
        for connection in list(link.connections):
            connection.obey()


class _Accepted(End):
    """The client's end of a connection; it opens the other one."""

    def __init__(self, proxies: Proxies, link: Link) -> None:
        super().__init__(Connection(link), is_server=False)
        self._proxies = proxies

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection, link = self.connection, self.connection.link
        names = ("peername", "sockname")
        connection.ports = tuple(transport.get_extra_info(name)[1] for name in names)
        if link.treats_all_alike:
            self.open()
        else:
            self._proxies.identify_soon(self)

    def open(self) -> None:
        """Leads on, or ends at once. What came meanwhile waits."""
        if self.connection.rule.mode == "reset":
            self.connection.close()
            return
        asyncio.get_running_loop().create_task(self._open(self.connection.link.port))

    async def _open(self, port: int) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: End(self.connection, is_server=True), "127.0.0.1", port
            )
        except OSError:
            self.connection.close()


def _inodes_by_ports() -> dict[tuple[int, ...], str]:
    """The inode of each TCP socket of this machine, by its own port and the one it leads to."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    found = {}
    for line in lines:
        fields = line.split(None, 10)
        ports = tuple(int(address[-4:], 16) for address in fields[1:3])
        found[ports] = fields[9]
    return found


def _inodes_of(pid: int) -> list[str]:
    """The inodes of the sockets of a process; none if it has ended."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(entry.path).removeprefix("socket:[").removesuffix("]"))
    return found


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
