"""Adds members to MongoDB's replica set and removes them: `manage.py change_replica_set`.

An operator names the member, one at a time. Everything is done as the user admin; which set it is
and how it is reached, the application's own MONGODB_URI says.
"""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import split_hosts

from bookings.operations.replica_set.initiation import (
    ADMIN,
    ANSWER_TIMEOUT_S,
    AUTHENTICATION_FAILED,
    RETRY_INTERVAL_S,
    Application,
    Login,
    ReplicaSetError,
    connect_to_member,
    connect_to_set,
    read_uri,
)

Document = dict[str, Any]

# For a primary to be found, or for the one that is left to become it: several elections.
PRIMARY_TIMEOUT_S = 30.0

# One that was removed a moment ago hears of it when it next asks the others, every two seconds.
REMOVAL_TIMEOUT_S = 5.0


# How long the others are tried before the one that is left goes on alone.
LOOK_S = 5.0


class State(Enum):
    """What is known of another member, when one is to go on alone."""

    LIVES = "lives"
    SILENT = "may live"
    GONE = "is gone"


@dataclass(frozen=True)
class Other:
    """Another member than the one that is left, and why it counts as it does."""

    name: str
    state: State
    why: str

    def __str__(self) -> str:
        return f"{self.name} {self.state.value}: {self.why}."


@dataclass(frozen=True)
class Last:
    """The member that is left: when it was last written to, and what the others are."""

    written_at: datetime
    others: tuple[Other, ...]

    @property
    def refusal(self) -> str | None:
        """Why it may not go on alone, and what to do; one that is silent may have what it lacks."""
        # An empty one joins by itself, and has a vote at once.
        if living := self._named(State.LIVES):
            return (
                f"{living} answers; start members until most of them live and elect a primary, or "
                f"stop {living} if it is to be left out for good."
            )
        if silent := self._named(State.SILENT):
            return (
                f"{silent} may live; start members until most of them live and elect a primary, or "
                "name each one that is gone for good with --gone."
            )
        return None

    def _named(self, state: State) -> str:
        return ", ".join(other.name for other in self.others if other.state is state)


def add_member(name: str, *, uri: str, admin_password: str) -> None:
    """Adds a member, which copies everything before it has a vote. Raises ReplicaSetError."""
    application, admin = _read(uri, admin_password)
    with _acting(), connect_to_set(application, admin, PRIMARY_TIMEOUT_S) as client:
        config = _configuration(client)
        if name in _hosts(config):
            raise ReplicaSetError(f"{name} is a member already; the members are {_list(config)}.")
        _refuse_of_a_set(name, config, application)
        # One that no member has now. That of a removed member may come again: MongoDB refuses no
        # more than another number for a member that stays.
        number = 1 + max(member["_id"] for member in config["members"])
        _reconfigure(client, config, [*config["members"], {"_id": number, "host": name}])


def remove_member(name: str, *, uri: str, admin_password: str) -> None:
    """Takes a member out, whether it lives or not. Raises ReplicaSetError."""
    application, admin = _read(uri, admin_password)
    with _acting(), connect_to_set(application, admin, PRIMARY_TIMEOUT_S) as client:
        config = _configuration(client)
        _find(name, config)
        rest = [member for member in config["members"] if member["host"] != name]
        _reconfigure(client, config, rest)


def look_at_last(name: str, *, given_up: Sequence[str], uri: str, admin_password: str) -> Last:
    """What the one member that is left has, and whether it may be made a set of its own.

    The operator says of `given_up` that they are gone for good. Raises ReplicaSetError where it is
    not to be kept whatever the others are.
    """
    with _connected_to_last(name, uri, admin_password) as (client, application):
        hello, config = client.admin.command("hello"), _configuration(client)
        return _look_at_last(name, hello, config, given_up, application)


def keep_last(name: str, *, given_up: Sequence[str], uri: str, admin_password: str) -> None:
    """Makes the member that is left a set of its own, and returns once that has a primary.

    Raises ReplicaSetError, also where another member lives or may live: what that one acknowledged
    would be lost.
    """
    with _connected_to_last(name, uri, admin_password) as (client, application):
        hello, config = client.admin.command("hello"), _configuration(client)
        if refusal := _look_at_last(name, hello, config, given_up, application).refusal:
            raise ReplicaSetError(refusal)
        # One that had no say, was to be no primary, or hidden or behind, has to be primary now.
        member = {**_find(name, config), "votes": 1, "hidden": False, "secondaryDelaySecs": 0}
        member["priority"] = max(1, member["priority"])
        _reconfigure(client, config, [member], force=True)
        with _having_asked():
            _wait_until_primary(name, client)


def _read(uri: str, admin_password: str) -> tuple[Application, Login]:
    if not admin_password:
        raise ReplicaSetError("Set MONGODB_ADMIN_PASSWORD, for MongoDB's user admin.")
    return read_uri(uri), Login(ADMIN, admin_password, ADMIN)


def _refuse_of_a_set(name: str, config: Document, application: Application) -> None:
    """Only one that is empty or was removed has no set.

    A member that is added under another name of its own goes out of the set: it finds itself in
    the configuration twice. MongoDB does not look.
    """
    ends_at_s = time.monotonic() + REMOVAL_TIMEOUT_S
    while True:
        hello = _ask(name, application)
        if hello is None:
            raise ReplicaSetError(f"{name} does not answer; start it, then add it.")
        if "setName" not in hello:
            return
        found = f"{name} is {hello['me']} of the set {hello['setName']} already"
        if hello["me"] in _hosts(config):
            raise ReplicaSetError(
                f"{found}, a member of this one; name one that is not among {_list(config)}."
            )
        if time.monotonic() > ends_at_s:
            raise ReplicaSetError(
                f"{found}; if that is not one of {_list(config)}, start it empty, then add it."
            )
        time.sleep(RETRY_INTERVAL_S)


@contextlib.contextmanager
def _connected_to_last(
    name: str, uri: str, admin_password: str
) -> Iterator[tuple[MongoClient, Application]]:
    application, admin = _read(uri, admin_password)
    with _acting():
        # It has no users either, and would only refuse the login.
        if (_ask(name, application) or {}).get("arbiterOnly"):
            raise ReplicaSetError(f"{name} is an arbiter and has no data; restore a backup.")
        with connect_to_member(name, application, admin) as client:
            yield client, application


def _look_at_last(
    name: str,
    hello: Document,
    config: Document,
    given_up: Sequence[str],
    application: Application,
) -> Last:
    if not _find(name, config)["buildIndexes"]:
        raise ReplicaSetError(
            f"{name} makes no indexes, and so can be no primary; restore a backup."
        )
    if primary := hello.get("primary"):
        raise ReplicaSetError(f"The set has a primary, {primary}; use --remove and --add.")
    if not hello.get("secondary"):
        raise ReplicaSetError(
            f"{name} is no secondary now: it starts, copies, recovers or rolls back; wait, and "
            "read its log if that lasts."
        )
    for other in given_up:
        _find(other, config)
        if other == name:
            raise ReplicaSetError(f"{name} is the one to keep; name others with --gone.")
    names = [other for other in _hosts(config) if other != name]
    with ThreadPoolExecutor(len(names) or 1) as pool:
        others = pool.map(lambda other: _look_at(other, application, given_up), names)
        return Last(hello["lastWrite"]["lastWriteDate"], tuple(others))


def _look_at(name: str, application: Application, given_up: Sequence[str]) -> Other:
    """Tries for some seconds, since one that is about to start refuses connections, too."""
    ends_at_s = time.monotonic() + LOOK_S
    reasons: list[str | None] = []
    while not reasons or time.monotonic() < ends_at_s:
        reasons.append(_why_gone(name))
        if reasons[-1] is None and _ask(name, application):
            return Other(name, State.LIVES, "it answers")
        time.sleep(RETRY_INTERVAL_S)
    if None not in reasons:
        return Other(name, State.GONE, str(reasons[-1]))
    if name in given_up:
        return Other(name, State.GONE, "it does not answer, and you say so")
    return Other(name, State.SILENT, "it does not answer, and nothing says that it is gone")


def _why_gone(name: str) -> str | None:
    """What says that no member runs under this name; None if one may, though it is silent.

    It may be frozen, cut off, or fail at TLS, and have acknowledged bookings a moment ago.
    """
    [address] = split_hosts(name)
    try:
        socket.create_connection(address, ANSWER_TIMEOUT_S, all_errors=True).close()
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return "its name has no address"
    # One for each address that the name has.
    except ExceptionGroup as errors:
        if all(isinstance(error, ConnectionRefusedError) for error in errors.exceptions):
            return "it refuses connections"
    return None


def _ask(name: str, application: Application) -> Document | None:
    """What a member says without a login, or None when it does not answer."""
    try:
        with (
            pymongo.timeout(ANSWER_TIMEOUT_S),
            connect_to_member(name, application, None) as client,
        ):
            return client.admin.command("hello")
    except ConnectionFailure:
        return None


def _configuration(client: MongoClient) -> Document:
    config: Document = client.admin.command("replSetGetConfig")["config"]
    return config


def _reconfigure(
    client: MongoClient, config: Document, members: list[Document], *, force: bool = False
) -> None:
    changed = {**config, "version": config["version"] + 1, "members": members}
    with _having_asked():
        client.admin.command("replSetReconfig", changed, force=force)


@contextlib.contextmanager
def _having_asked() -> Iterator[None]:
    """For the change and what follows it: one that gets no answer may have been made."""
    try:
        yield
    except ConnectionFailure as error:
        raise ReplicaSetError(
            "The change was asked for and may have been made, but the answer was lost; see who the "
            "members are with manage.py doctor."
        ) from error


def _wait_until_primary(name: str, client: MongoClient) -> None:
    ends_at_s = time.monotonic() + PRIMARY_TIMEOUT_S
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > ends_at_s:
            raise ReplicaSetError(
                f"{name} is alone in its set now, and no primary yet; read its log."
            )
        time.sleep(RETRY_INTERVAL_S)


def _find(name: str, config: Document) -> Document:
    for member in config["members"]:
        if member["host"] == name:
            found: Document = member
            return found
    raise ReplicaSetError(f"{name} is no member; name one of {_list(config)}.")


def _hosts(config: Document) -> list[str]:
    return [member["host"] for member in config["members"]]


def _list(config: Document) -> str:
    return ", ".join(_hosts(config))


@contextlib.contextmanager
def _acting() -> Iterator[None]:
    """Turns what the driver raises into one sentence that says what to do."""
    try:
        yield
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            raise ReplicaSetError(
                "MongoDB does not know admin by this MONGODB_ADMIN_PASSWORD; set the right one."
            ) from error
        what = (error.details or {}).get("errmsg") or str(error)
        raise ReplicaSetError(f"MongoDB refused: {what.rstrip('.')}.") from error
    except ConnectionFailure as error:
        raise ReplicaSetError(
            "No primary, or not the member named, answers; see what lives with manage.py doctor."
        ) from error
    # A name may be no name, which is a ValueError.
    except (PyMongoError, ValueError) as error:
        raise ReplicaSetError(f"Fix MONGODB_URI or the member's name: {error}") from error
