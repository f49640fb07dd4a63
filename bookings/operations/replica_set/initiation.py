"""Makes MongoDB's replica set and its users: `manage.py init_replica_set`.

Before there is a user, members that share a keyfile accept no login except from their own machine
(the localhost exception), and this command runs on another one. So it logs in as members do among
themselves: as `__system`, with the key in their keyfile as the password. That works even on a
member that belongs to no set yet.
"""

import contextlib
import math
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import yaml
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

# After the primary crashes, no booking succeeds for about this long. MongoDB's default of 10 s is
# meant for members far apart; with much less, a primary that stalls for a moment is voted out.
ELECTION_TIMEOUT_MS = 5_000

# How long a member may take to answer a question, and to carry out a command.
ANSWER_TIMEOUT_S = 2.0
COMMAND_TIMEOUT_MS = 20_000

RETRY_INTERVAL_S = 0.3

ADMIN = "admin"

# `manage.py doctor` reads a server parameter and the set's configuration, with hidden members;
# readWrite does not cover that. The role keeps the name of its first right: a new name would leave
# the old role behind in every set that has it.
DOCTOR_ROLE = "readParameters"
DOCTOR_PRIVILEGES = [
    {"resource": {"cluster": True}, "actions": ["getParameter", "replSetGetConfig"]}
]

# Losing a new user together with the primary would be worse than not making it.
_DURABLY: dict[str, Any] = {"writeConcern": {"w": "majority", "wtimeout": 10_000}}

# MongoDB's codes.
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23


class ReplicaSetError(Exception):
    """Why the set or its users cannot be made, and what to do about it."""


@dataclass(frozen=True)
class Application:
    """What the application's own MONGODB_URI says: its login, and the members."""

    user: str
    password: str
    users_database: str
    set_name: str
    members: tuple[str, ...]
    tls: dict[str, Any]


@dataclass(frozen=True)
class Login:
    """A user and password; `database` is the one that stores the user."""

    user: str
    password: str
    database: str

    def options(self) -> dict[str, Any]:
        """Keyword arguments for MongoClient: the login and its time limits."""
        return {
            "username": self.user,
            "password": self.password,
            "authSource": self.database,
            "connectTimeoutMS": int(ANSWER_TIMEOUT_S * 1000),
            "socketTimeoutMS": COMMAND_TIMEOUT_MS,
        }


def make_replica_set(
    *, uri: str, databases: Sequence[str], keyfile: str, admin_password: str, wait_s: float
) -> Iterator[str]:
    """Makes what is missing of the set, the role and the users, and yields a line for each.

    `uri` is the application's own; its user gets readWrite on `databases`. Waits at most `wait_s`
    seconds for the members to answer, and as long again for a primary. Raises ReplicaSetError.
    """
    if not 0 <= wait_s < math.inf:
        raise ReplicaSetError(f"Give --wait seconds, 0 or more, not {wait_s}.")
    application = read_uri(uri)
    if not admin_password:
        raise ReplicaSetError("Set MONGODB_ADMIN_PASSWORD, for MongoDB's user admin.")
    system = Login("__system", read_key(keyfile), "local")
    try:
        yield from _make_set(application, system, wait_s)
        with connect_to_set(application, system, wait_s) as client:
            yield _make_role(client)
            for login, roles in (
                (Login(ADMIN, admin_password, ADMIN), [("root", ADMIN)]),
                (
                    Login(application.user, application.password, application.users_database),
                    [*(("readWrite", name) for name in databases), (DOCTOR_ROLE, ADMIN)],
                ),
            ):
                yield _make_user(client, application, login, roles)
            yield from _compare_members(client, application)
    except PyMongoError as error:
        raise ReplicaSetError(_explain(error, application)) from error
    except ssl.SSLError as error:
        raise ReplicaSetError(f"Fix the TLS files that MONGODB_URI names: {error}") from error


def read_uri(uri: str) -> Application:
    """What the application's URI says; raises ReplicaSetError if something is missing."""
    try:
        parsed = parse_uri(uri)
    # parse_uri opens the certificate files, too.
    except (PyMongoError, ValueError, OSError) as error:
        raise ReplicaSetError(f"Fix MONGODB_URI: {error}") from error
    options = {name.lower(): value for name, value in parsed["options"].items()}
    if not parsed["username"] or not parsed["password"]:
        raise ReplicaSetError("Put the application's user and password into MONGODB_URI.")
    if not options.get("replicaset"):
        raise ReplicaSetError("Put replicaSet=NAME into MONGODB_URI.")
    users_database = options.get("authsource") or parsed["database"] or ADMIN
    if (parsed["username"], users_database) == (ADMIN, ADMIN):
        raise ReplicaSetError(
            "Give the application a user of its own in MONGODB_URI; admin is for operators."
        )
    return Application(
        user=parsed["username"],
        password=parsed["password"],
        users_database=users_database,
        set_name=options["replicaset"],
        members=_name_members(parsed["nodelist"]),
        tls={name: value for name, value in options.items() if name.startswith("tls")},
    )


def _name_members(nodes: list[tuple[str, int | None]]) -> tuple[str, ...]:
    names: list[str] = []
    for host, port in nodes:
        if port is None:
            raise ReplicaSetError(
                f"Name members by host and port in MONGODB_URI, not the socket {host}: "
                "the other members could not reach it."
            )
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if name in names:
            raise ReplicaSetError(f"MONGODB_URI names {name} twice; name each member once.")
        names.append(name)
    return tuple(names)


def read_key(path: str) -> str:
    """The key in a keyfile, as members use it; the first one while keys are being changed."""
    if not path:
        raise ReplicaSetError("Set MONGODB_KEYFILE to the path of the members' keyfile.")
    try:
        # As mongod does: YAML with one key or a list of them, every key as text.
        content = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
    except OSError as error:
        raise ReplicaSetError(f"MONGODB_KEYFILE cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReplicaSetError(
            "MONGODB_KEYFILE names no MongoDB keyfile; name the members' own."
        ) from error
    key = content[0] if isinstance(content, list) and content else content
    if not isinstance(key, str) or not key:
        raise ReplicaSetError("MONGODB_KEYFILE names no MongoDB keyfile; name the members' own.")
    return "".join(key.split())


def _make_set(application: Application, system: Login, wait_s: float) -> Iterator[str]:
    """Initiates the set unless a member belongs to one; that needs every member of the URI."""
    ends_at_s = time.monotonic() + wait_s
    is_first_look = True
    while True:
        said = {name: _ask(name, application, system) for name in application.members}
        set_names = {hello["setName"] for hello in said.values() if hello and "setName" in hello}
        if set_names:
            if set_names != {application.set_name}:
                raise ReplicaSetError(
                    f"The members belong to replica set {' and '.join(sorted(set_names))}; "
                    "name that set in MONGODB_URI."
                )
            yield f"Replica set {application.set_name} is in place."
            return
        silent = [name for name, hello in said.items() if hello is None]
        if not silent:
            break
        if time.monotonic() > ends_at_s:
            raise ReplicaSetError(
                f"No answer from {', '.join(silent)} in {wait_s:.0f} s: every member must be up "
                "to make the replica set, so start these and run this again."
            )
        if is_first_look:
            yield f"Waiting for {', '.join(silent)} ..."
            is_first_look = False
        time.sleep(RETRY_INTERVAL_S)

    with connect_to_member(application.members[0], application, system) as client:
        with _ignoring(ALREADY_INITIALIZED):  # another process was quicker
            client.admin.command(
                "replSetInitiate",
                {
                    "_id": application.set_name,
                    "members": [
                        {"_id": number, "host": name}
                        for number, name in enumerate(application.members)
                    ],
                    "settings": {"electionTimeoutMillis": ELECTION_TIMEOUT_MS},
                },
            )
        _elect(client, ends_at_s=time.monotonic() + wait_s)
    yield f"Replica set {application.set_name} made of {', '.join(application.members)}."


def _ask(name: str, application: Application, system: Login) -> dict[str, Any] | None:
    """A member's `hello`, or None if it does not answer."""
    try:
        with (
            pymongo.timeout(ANSWER_TIMEOUT_S),
            connect_to_member(name, application, system) as client,
        ):
            return client.admin.command("hello")
    except ConnectionFailure:
        return None


def _elect(client: MongoClient, *, ends_at_s: float) -> None:
    """Has the new set elect its first member; otherwise it would wait for an election time-out."""
    while time.monotonic() < ends_at_s:
        if client.admin.command("hello").get("primary"):
            return
        # Refused until the others have heard of their set.
        with contextlib.suppress(OperationFailure):
            client.admin.command("replSetStepUp")
        time.sleep(RETRY_INTERVAL_S)


def _make_role(client: MongoClient) -> str:
    wanted: dict[str, Any] = {"privileges": DOCTOR_PRIVILEGES, "roles": []}
    found = client.admin.command("rolesInfo", DOCTOR_ROLE, showPrivileges=True)["roles"]
    if found and all(found[0][name] == value for name, value in wanted.items()):
        return f"Role {DOCTOR_ROLE} is in place."
    verb = "updateRole" if found else "createRole"
    client.admin.command(verb, DOCTOR_ROLE, **wanted, **_DURABLY)
    return f"Role {DOCTOR_ROLE} {'corrected' if found else 'made'}."


def _make_user(
    client: MongoClient, application: Application, login: Login, roles: list[tuple[str, str]]
) -> str:
    """Makes the user, or gives it this password and exactly these roles."""
    name = f"User {login.user} of {login.database}"
    users = client[login.database]
    found = users.command("usersInfo", login.user)["users"]
    if found:
        has = sorted((role["role"], role["db"]) for role in found[0]["roles"])
        if has == sorted(roles) and _may_log_in(application, login):
            return f"{name} is in place."
    users.command(
        "updateUser" if found else "createUser",
        login.user,
        pwd=login.password,
        roles=[{"role": role, "db": database} for role, database in roles],
        mechanisms=["SCRAM-SHA-256"],
        **_DURABLY,
    )
    return f"{name} {'given its password and roles' if found else 'made'}."


def _may_log_in(application: Application, login: Login) -> bool:
    with connect_to_set(application, login, ANSWER_TIMEOUT_S) as client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
    return True


def _compare_members(client: MongoClient, application: Application) -> Iterator[str]:
    """Says where the set and the URI differ; only operators add and remove members."""
    config = client.admin.command("replSetGetConfig")["config"]
    members = [member["host"] for member in config["members"]]
    if set(members) != set(application.members):
        yield (
            f"The members are {', '.join(members)}, but MONGODB_URI names "
            f"{', '.join(application.members)}: run manage.py change_replica_set, or fix "
            "MONGODB_URI."
        )


def connect_to_member(name: str, application: Application, login: Login | None) -> MongoClient:
    """Connects to one member, primary or not; without a login it still answers `hello`."""
    return MongoClient(
        name,
        directConnection=True,
        serverSelectionTimeoutMS=int(ANSWER_TIMEOUT_S * 1000),
        **(login.options() if login else {}),
        **application.tls,
    )


def connect_to_set(application: Application, login: Login, wait_s: float) -> MongoClient:
    """Connects to the set's primary, and waits at most `wait_s` seconds for one."""
    return MongoClient(
        list(application.members),
        replicaSet=application.set_name,
        serverSelectionTimeoutMS=int(wait_s * 1000),
        **login.options(),
        **application.tls,
    )


@contextlib.contextmanager
def _ignoring(code: int) -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code != code:
            raise


def _explain(error: PyMongoError, application: Application) -> str:
    if isinstance(error, OperationFailure):
        if error.code == AUTHENTICATION_FAILED:
            return (
                "The members do not accept the key in MONGODB_KEYFILE; "
                "name the keyfile that they were started with."
            )
        what = (error.details or {}).get("errmsg") or str(error)
        return f"MongoDB refused: {what.rstrip('.')}; fix that and run this again."
    return (
        f"Replica set {application.set_name} has no primary in reach: start its members that are "
        "down, and run this again."
    )
