"""Adds members to MongoDB's replica set and removes them: `manage.py change_replica_set`.

An operator names the member, one at a time. Everything is done as the user admin; which set it is
and how it is reached, the application's own MONGODB_URI says.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from bookings.replica_set import (
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


def look_at_last(name: str, *, uri: str, admin_password: str) -> datetime:
    """When the one member that is left was last written to, if it may be made a set of its own.

    Raises ReplicaSetError, also where another member lives: what that one acknowledged would be
    lost.
    """
    application, admin = _read(uri, admin_password)
    with _acting(), connect_to_member(name, application, admin) as client:
        hello = client.admin.command("hello")
        _check_last(name, hello, _configuration(client), application)
        last_written_at: datetime = hello["lastWrite"]["lastWriteDate"]
        return last_written_at


def keep_last(name: str, *, uri: str, admin_password: str) -> None:
    """Makes the member that is left a set of its own, and returns once that has a primary.

    Raises ReplicaSetError.
    """
    application, admin = _read(uri, admin_password)
    with _acting(), connect_to_member(name, application, admin) as client:
        config = _configuration(client)
        _check_last(name, client.admin.command("hello"), config, application)
        # One that had no say, or was to be no primary, has to be it now.
        member = {**_find(name, config), "votes": 1}
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
            raise ReplicaSetError(f"{found}; start it empty, then add it.")
        time.sleep(RETRY_INTERVAL_S)


def _check_last(name: str, hello: Document, config: Document, application: Application) -> None:
    _find(name, config)
    if primary := hello.get("primary"):
        raise ReplicaSetError(f"The set has a primary, {primary}; use --remove and --add.")
    for other in _hosts(config):
        # It may have what this one lacks. An empty one joins by itself, and has a vote at once.
        if other != name and _ask(other, application):
            raise ReplicaSetError(
                f"{other} answers; start members until most of them live and elect a primary, or "
                f"stop {other} if it is to be left out for good."
            )


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
