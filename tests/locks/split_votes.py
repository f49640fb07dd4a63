"""How often no rival gets a lock of a quorum that all of them ask for at the same moment.

    python -m tests.locks.split_votes SERVERS RIVALS ROUNDS [DEAD]

Each rival is a process, and each round is about another name. Requests for one night are never so
well timed, so this is the worst case.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from contextlib import suppress
from multiprocessing.synchronize import Barrier

from redis.exceptions import RedisError

from locks import LockBusy, RedisLocks, Redlock, connect
from tests.locks.quorum import redis_servers

TTL_MS = 15_000

# In a rival, where each round starts.
_starts: list[Barrier] = []


def count_rounds_without_a_winner(servers: int, rivals: int, rounds: int, dead: int) -> int:
    start = multiprocessing.Barrier(rivals)
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.Pool(rivals, _starts.append, [start]) as pool,
    ):
        os.environ["TEST_SERVERS_FOLDER"] = folder
        with redis_servers(servers) as started:
            for server in started[:dead]:
                server.kill()
            urls = [server.uri for server in started]
            won = pool.starmap(ask, [(urls, rounds)] * rivals, chunksize=1)
    return sum(not any(one) for one in zip(*won, strict=True))


def ask(urls: list[str], rounds: int) -> list[bool]:
    """In which rounds this rival wins."""
    locks = Redlock([RedisLocks(connect(url)) for url in urls])
    with suppress(RedisError):  # connects, and learns which servers are dead
        locks.release(locks.acquire([str(os.getpid())], ttl_ms=TTL_MS))
    won = []
    for number in range(rounds):
        _starts[0].wait()
        try:
            locks.acquire([f"night {number}"], ttl_ms=TTL_MS)
        except LockBusy:
            won.append(False)
        else:
            won.append(True)
    return won


if __name__ == "__main__":
    servers, rivals, rounds, *dead = map(int, sys.argv[1:])
    missed = count_rounds_without_a_winner(servers, rivals, rounds, dead[0] if dead else 0)
    sys.stdout.write(f"no winner in {missed} of {rounds} rounds\n")
