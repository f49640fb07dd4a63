"""`redis-cli -h HOST -p PORT [COMMAND …]` through redis-py, for runbooks where none is installed.

Without a command it reads one from standard input; the password is REDISCLI_AUTH.
"""

import os
import shlex
import sys

import redis


def main(host_flag: str, host: str, port_flag: str, port: str, *command: str) -> None:
    assert (host_flag, port_flag) == ("-h", "-p")
    client = redis.Redis(
        host, int(port), password=os.environ.get("REDISCLI_AUTH"), decode_responses=True
    )
    answer = client.execute_command(*(command or shlex.split(sys.stdin.readline())))
    print("OK" if answer in (True, "OK") else answer)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
