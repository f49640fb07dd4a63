"""`redis-cli -u URL COMMAND …` by way of redis-py, for runbooks where no redis-cli is installed."""

import sys

import redis


def main(flag: str, url: str, *command: str) -> None:
    assert flag == "-u"
    answer = redis.Redis.from_url(url, decode_responses=True).execute_command(*command)
    print("OK" if answer in (True, "OK") else answer)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
