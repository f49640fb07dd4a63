"""Adds members to MongoDB's replica set and removes them: `manage.py change_replica_set`.

An operator names the members, one at a time. Every change logs in as the user admin. The
application's own MONGODB_URI says which set it is and how to reach it.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
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

# For finding a primary, or for the last member to become it; both may take several elections.
PRIMARY_TIMEOUT_S = 30.0

# A member that was just removed learns of it when it next asks the others, every two seconds.
REMOVAL_TIMEOUT_S = 5.0

# MongoDB's NewReplicaSetConfigurationIncompatible and ConfigurationInProgress.
CHANGED_MEANWHILE = (103, 109)

# How long the other members are tried before the last one goes on alone.
LOOK_S = 5.0


class State(Enum):
    """What is known of another member when the last one is to go on alone."""

    LIVES = "lives"
    SILENT = "may live"
    GONE = "is gone"


@dataclass(frozen=True)
class Other:
    """A member besides the last one, and the reason for its state."""

    name: str
    state: State
    why: str

    def __str__(self) -> str:
        return f"{self.name} {self.state.value}: {self.why}."


@dataclass(frozen=True)
class Last:
    """The last member that is left: the time of its last write, and the state of the others."""

    written_at: datetime
    others: tuple[Other, ...]

    @property
    def refusal(self) -> str | None:
        """Why it may not go on alone, and what to do. A silent member may have writes it lacks."""
        # The advice is to start members: an empty one joins by itself and has a vote at once.
        if living := self._named(State.LIVES):
            return (
                f"{living} answers; start members until most of them live and elect a primary, or "
                f"stop {living} if the set is to do without it for good."
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
    """Adds a member, which copies all data before it gets a vote. Raises ReplicaSetError."""
    application, admin = _read(uri, admin_password)

    def added(config: Document) -> list[Document]:
        if name in _hosts(config):
            raise ReplicaSetError(f"{name} is a member already; the members are {_list(config)}.")
        _refuse_of_a_set(name, config, application)
        # A number that no member has now. It may have been a removed member's: MongoDB only
        # refuses to change the number of a member that stays.
        number = 1 + max(member["_id"] for member in config["members"])
        return [*config["members"], {"_id": number, "host": name}]

    with _acting(), connect_to_set(application, admin, PRIMARY_TIMEOUT_S) as client:
        _change(client, added)


def remove_member(name: str, *, uri: str, admin_password: str) -> None:
    """Removes a member, dead or alive. Raises ReplicaSetError."""
    application, admin = _read(uri, admin_password)

    def removed(config: Document) -> list[Document]:
        _find(name, config)
        return [member for member in config["members"] if member["host"] != name]

    with _acting(), connect_to_set(application, admin, PRIMARY_TIMEOUT_S) as client:
        _change(client, removed)


def look_at_last(name: str, *, given_up: Sequence[str], uri: str, admin_password: str) -> Last:
    """What the last member has, and whether it may become a set of its own.

    The operator says that the members in `given_up` are gone for good. Raises ReplicaSetError if
    the last member cannot become a set, whatever state the others are in.
    """
    with _connected_to_last(name, uri, admin_password) as (client, application):
        hello, config = client.admin.command("hello"), _configuration(client)
        return _look_at_last(name, hello, config, given_up, application)


def keep_last(name: str, *, given_up: Sequence[str], uri: str, admin_password: str) -> None:
    """Makes the last member a set of its own, and returns once that set has a primary.

    Raises ReplicaSetError, also if another member lives or may live: bookings that only that one
    has acknowledged would be lost.
    """
    with _connected_to_last(name, uri, admin_password) as (client, application):
        hello, config = client.admin.command("hello"), _configuration(client)
        if refusal := _look_at_last(name, hello, config, given_up, application).refusal:
            raise ReplicaSetError(refusal)
        # It has to become primary now, even if it was hidden, delayed or without vote or priority.
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
    """Only a member that is empty or was removed belongs to no set.

    If a member is added under a second name, it finds itself in the configuration twice and leaves
    the set. MongoDB does not check that.
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
                f"{found}, a member of this set; name one that is not among {_list(config)}."
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
        # An arbiter has no users either, and would only refuse the login.
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
            f"{name} builds no indexes, so it cannot be primary; restore a backup."
        )
    if primary := hello.get("primary"):
        raise ReplicaSetError(f"The set has a primary, {primary}; use --remove and --add.")
    if not hello.get("secondary"):
        raise ReplicaSetError(
            f"{name} is not a secondary now: it starts, copies, recovers or rolls back; wait, and "
            "read its log if that lasts."
        )
    for other in given_up:
        _find(other, config)
        if other == name:
            raise ReplicaSetError(f"{name} is the one to keep; name other members with --gone.")
    names = [other for other in _hosts(config) if other != name]
    with ThreadPoolExecutor(len(names) or 1) as pool:
        others = pool.map(lambda other: _look_at(other, application, given_up), names)
        return Last(hello["lastWrite"]["lastWriteDate"], tuple(others))


def _look_at(name: str, application: Application, given_up: Sequence[str]) -> Other:
    """Tries for some seconds, since a member that is starting also refuses connections."""
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
    """Why no member can be running under this name, or None if one may still run there.

    A member that does not answer may be frozen, cut off or failing at TLS. It may have acknowledged
    bookings a moment ago.
    """
    [host_and_port] = split_hosts(name)
    try:
        socket.create_connection(host_and_port, ANSWER_TIMEOUT_S, all_errors=True).close()
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return "its name has no IP address"
    # The group has an error for each IP address of the name.
    except ExceptionGroup as errors:
        if all(isinstance(error, ConnectionRefusedError) for error in errors.exceptions):
            return "it refuses connections"
    return None


def _ask(name: str, application: Application) -> Document | None:
    """The member's `hello`, which needs no login, or None if it does not answer."""
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


def _change(client: MongoClient, members: Callable[[Document], list[Document]]) -> None:
    """Gives the set the members that the function makes of its configuration.

    MongoDB changes the configuration by itself when an added member has copied everything and gets
    its vote. It refuses a change that was made from an older one, so that is made again.
    """
    ends_at_s = time.monotonic() + PRIMARY_TIMEOUT_S
    while True:
        config = _configuration(client)
        try:
            _reconfigure(client, config, members(config))
            return
        except OperationFailure as error:
            if error.code not in CHANGED_MEANWHILE or time.monotonic() > ends_at_s:
                raise
        time.sleep(RETRY_INTERVAL_S)


def _reconfigure(
    client: MongoClient, config: Document, members: list[Document], *, force: bool = False
) -> None:
    changed = {**config, "version": config["version"] + 1, "members": members}
    with _having_asked():
        client.admin.command("replSetReconfig", changed, force=force)


@contextlib.contextmanager
def _having_asked() -> Iterator[None]:
    """Wraps a change and what follows it: a change whose answer is lost may have been made."""
    try:
        yield
    except ConnectionFailure as error:
        raise ReplicaSetError(
            "The change was requested and may have been made, but the answer was lost; see the "
            "members with manage.py doctor."
        ) from error


def _wait_until_primary(name: str, client: MongoClient) -> None:
    ends_at_s = time.monotonic() + PRIMARY_TIMEOUT_S
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > ends_at_s:
            raise ReplicaSetError(
                f"{name} is alone in its set now, but not primary yet; read its log."
            )
        time.sleep(RETRY_INTERVAL_S)


def _find(name: str, config: Document) -> Document:
    for member in config["members"]:
        if member["host"] == name:
            found: Document = member
            return found
    raise ReplicaSetError(f"{name} is not a member; name one of {_list(config)}.")


def _hosts(config: Document) -> list[str]:
    return [member["host"] for member in config["members"]]


def _list(config: Document) -> str:
    return ", ".join(_hosts(config))


@contextlib.contextmanager
def _acting() -> Iterator[None]:
    """Turns the driver's errors into one sentence that says what to do."""
    try:
        yield
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            raise ReplicaSetError(
                "MongoDB refused this MONGODB_ADMIN_PASSWORD for the user admin; set the right one."
            ) from error
        what = (error.details or {}).get("errmsg") or str(error)
        raise ReplicaSetError(f"MongoDB refused: {what.rstrip('.')}.") from error
    except ConnectionFailure as error:
        raise ReplicaSetError(
            "No primary answers, or the named member does not; run manage.py doctor to see which "
            "members live."
        ) from error
    # An invalid name raises ValueError.
    except (PyMongoError, ValueError) as error:
        raise ReplicaSetError(f"Fix MONGODB_URI or the member's name: {error}") from error
