"""Redis behind Sentinel: the Sentinels know which server is the primary.

The URL is `redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database]`. Its
hosts are the Sentinels; its user and password are those of Redis. If the Sentinels have a password,
append `?sentinel_password=...`.
https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/ explains how Sentinels agree
on a primary.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from redis.connection import ConnectionPool
from redis.sentinel import Sentinel, SentinelConnectionPool

SCHEME = "redis+sentinel"
SENTINEL_PORT = 26379

# urlsplit is for URLs with one host: Python since 2025 refuses a host in brackets after a comma.
_ADDRESS = re.compile(
    rf"{re.escape(SCHEME)}://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)(\?(?P<query>[^#]*))?"
)

# An IPv6 address is in brackets, because of its colons.
_HOST = re.compile(r"(\[(?P<number>[^\[\]]+)\]|(?P<name>[^\[\]:]+))(:(?P<port>[0-9]{1,5}))?")

# How long a worker waits for one Sentinel before it asks the next. A worker may wait; a request may
# not.
WORKER_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Watched:
    """A service that Sentinels watch, with the logins for it and for them."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


def is_watched(url: str) -> bool:
    """Whether the URL names Sentinels, not a Redis."""
    return url.startswith(f"{SCHEME}://")


def parse(url: str) -> Watched:
    """Parses a URL. Raises ValueError with a message that says how to fix it."""
    parts = _ADDRESS.fullmatch(url)
    service, _, database = parts["path"].strip("/").partition("/") if parts else ("", "", "")
    if not parts or not service or not (database or "0").isdecimal():
        raise ValueError(f"write it as {SCHEME}://host:port,host:port/service/0")
    login, _, hosts = parts["authority"].rpartition("@")
    username, _, password = login.partition(":")
    query = parse_qs(parts["query"] or "")
    if set(query) - {"sentinel_password"}:
        raise ValueError("remove every option except sentinel_password")
    return Watched(
        sentinels=tuple(_read_host(host) for host in hosts.split(",")),
        service=unquote(service),
        database=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=query.get("sentinel_password", [None])[0],
    )


def _read_host(text: str) -> tuple[str, int]:
    host = _HOST.fullmatch(text)
    port = int(host["port"] or SENTINEL_PORT) if host else 0
    if not host or not 0 < port < 65536 or (host["number"] and not _is_ipv6(host["number"])):
        # The message does not quote the text, which may be part of a password with a slash in it.
        raise ValueError(
            "write each Sentinel as host:port, and percent-encode every character of the password "
            "that is no letter or digit"
        )
    return host["number"] or host["name"], port


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def for_celery(watched: Watched) -> tuple[str, dict[str, Any]]:
    """The broker's URL and transport options for Celery, in kombu's form."""
    login = ""
    if watched.password:
        login = f"{quote(watched.username or '', safe='')}:{quote(watched.password, safe='')}@"
    url = ";".join(
        f"sentinel://{login}{f'[{host}]' if ':' in host else host}:{port}/{watched.database}"
        for host, port in watched.sentinels
    )
    asked_with = {
        "password": watched.sentinel_password,
        "socket_timeout": WORKER_TIMEOUT_S,
        "socket_connect_timeout": WORKER_TIMEOUT_S,
    }
    return url, {"master_name": watched.service, "sentinel_kwargs": asked_with}


class WatchedPool(SentinelConnectionPool):
    """Connections to the primary. `address` names the service, not a server, which may change.

    Other Sentinels may watch another service of the same name, so the first of them belongs to the
    address. (Sentinels that are one and the same agree on the service, however the rest is listed.)
    """

    def __init__(self, watched: Watched, manager: Sentinel, **options: Any) -> None:
        host, port = min(watched.sentinels)
        self.address = f"{watched.service}@{f'[{host}]' if ':' in host else host}:{port}"
        super().__init__(
            watched.service,
            manager,
            db=watched.database,
            username=watched.username,
            password=watched.password,
            **options,
        )


class Pool:
    """Makes connection pools from URLs, with the interface of redis-py and django-redis."""

    @staticmethod
    def from_url(url: str, **options: Any) -> ConnectionPool:
        """A pool for the URL. Connects on first use, so forking is safe. Raises ValueError."""
        if not is_watched(url):
            return ConnectionPool.from_url(url, **options)
        watched = parse(url)
        # The Sentinels are asked with the same time-outs, and without retries.
        asked_with = {
            name: options[name]
            for name in ("socket_timeout", "socket_connect_timeout", "retry")
            if name in options
        }
        manager = Sentinel(
            watched.sentinels,
            sentinel_kwargs={**asked_with, "password": watched.sentinel_password},
        )
        return WatchedPool(watched, manager, **options)
