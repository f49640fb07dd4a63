"""Whether each member of MongoDB's replica set serves, has room on its disk, and the time.

The set answers as long as a majority lives, so a lost member goes unseen there. The doctor
therefore asks each member by itself, over a connection of its own. It logs in only to learn the
room on the disk: any client may ask a member what it is, and one without data knows no login yet.
If no member may be asked for the set's configuration, the names come from the driver, or else from
MONGODB_URI.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pymongo
from django.conf import settings
from pymongo import MongoClient, ReadPreference
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from bookings.infrastructure.connections import database
from bookings.infrastructure.mongodb.errors import FORBIDDEN
from bookings.infrastructure.mongodb.members import MAX_LAG_S, DiskRoom, read_room
from bookings.operations.doctor.findings import Finding, fail, ok, warn

# All are asked at once. Of a check's three seconds, this leaves time to ask for their names.
ANSWER_TIMEOUT_S = 2.0
NAMING_TIMEOUT_S = 0.5


# Bookings go by the clock of the primary, which may be another member a moment later.
MAX_APART_S = 2.0


@dataclass(frozen=True)
class Member:
    """A member, as the set's configuration describes it."""

    name: str
    votes: bool = True
    holds_data: bool = True
    # Delayed members stay behind on purpose, so that a mistake can be undone from them.
    delay_s: float = 0.0


@dataclass(frozen=True)
class Ahead:
    """How far a clock is ahead of this machine's: between these two, since an answer takes time."""

    least_s: float
    most_s: float


@dataclass(frozen=True)
class MemberAnswer:
    """A member's answer. `hello` is None if there was none; so is what was not read after it."""

    hello: Mapping[str, Any] | None
    room: DiskRoom | None = None
    refusal_code: int | None = None
    ahead: Ahead | None = None


@dataclass(frozen=True)
class _Access:
    """How the site reaches a single member, as MONGODB_URI says; `named` are the URI's members."""

    named: tuple[str, ...]
    tls: Mapping[str, Any]
    login: Mapping[str, Any]
    login_database: str
    data_name: str

    @classmethod
    def read(cls) -> "_Access":
        parsed = parse_uri(settings.MONGODB_URI, connect_timeout=ANSWER_TIMEOUT_S)
        options = {name.lower(): value for name, value in parsed["options"].items()}
        login = {name: value for name, value in options.items() if name.startswith("auth")}
        if parsed["username"]:
            login.update(username=parsed["username"], password=parsed["password"])
        return cls(
            named=tuple(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                for host, port in parsed["nodelist"]
                # A socket has no port, and no set knows a member by its socket.
                if port is not None
            ),
            tls={name: value for name, value in options.items() if name.startswith("tls")},
            login=login,
            login_database=parsed["database"] or "",
            data_name=database().name,
        )

    def connect(self, member: Member, *, logged_in: bool) -> MongoClient:
        return MongoClient(
            # The driver looks for the user in the database that the URI names.
            f"mongodb://{member.name}/{quote_plus(self.login_database)}",
            directConnection=True,
            connectTimeoutMS=int(ANSWER_TIMEOUT_S * 1000),
            **self.tls,
            **(self.login if logged_in else {}),
        )


def members() -> Finding:
    """Bookings go on while a majority of the members lives, so the loss of one is easily missed."""
    client = database().client
    access = _Access.read()
    try:
        with pymongo.timeout(NAMING_TIMEOUT_S):
            hello = client.admin.command("hello", read_preference=ReadPreference.PRIMARY_PREFERRED)
            if "setName" not in hello:
                return fail("There are none, since this MongoDB is not a replica set.")
            set_name, configured = hello["setName"], _read_configuration(client, hello)
    except PyMongoError as error:
        if not (error.timeout or isinstance(error, ConnectionFailure)):
            raise
        set_name, configured = _recall_members(client, access)
    with ThreadPoolExecutor(len(configured)) as pool:
        answers = list(pool.map(lambda member: _ask(member, access), configured))
    found = judge(set_name or _name_set(answers), configured, answers)
    if fault := _fault_of_hosts(access.named, configured):
        level = "warn" if found.level == "ok" else found.level
        return replace(found, level=level, text=f"{found.text} {fault}")
    return found


def judge(set_name: str, configured: list[Member], answers: list[MemberAnswer]) -> Finding:
    """The finding for what the members answered."""
    # A member of another set may have had its last write a moment ago; it must not count.
    ours = [answer for answer in answers if (answer.hello or {}).get("setName") == set_name]
    newest = max(filter(None, map(_last_write, ours)), default=None)
    faults = {
        member.name: fault
        for member, answer in zip(configured, answers, strict=True)
        if (fault := _fault_of(member, answer, set_name, newest))
    }
    wrong = [f"{name} {fault}" for name, fault in faults.items()] + [
        text
        for member, answer in zip(configured, answers, strict=True)
        if (text := _lack_of_room(member, answer))
    ]
    if apart := _find_clocks_apart(configured, answers):
        wrong.append(apart)
    serving = [member for member in configured if member.name not in faults]
    said = f"Serving: {len(serving)} of {len(configured)}"
    spare = _count_spare(configured, serving)
    if spare < 0:
        return fail(f"{said}, too few to acknowledge a booking; {'; '.join(wrong)}.")
    if wrong:
        more = "One more loss stops bookings" if spare == 0 else f"{spare} more may be lost"
        return warn(f"{said}; {'; '.join(wrong)}. {more}.")
    return ok(f"{said}; {spare or 'none'} may be lost.")


def _read_configuration(client: MongoClient, hello: Mapping[str, Any]) -> list[Member]:
    """Every member, including hidden ones if the site's user may see them."""
    told = [Member(name) for name in (*hello["hosts"], *hello.get("passives", ()))]
    told += [Member(name, holds_data=False) for name in hello.get("arbiters", ())]
    try:
        config = client.admin.command(
            "replSetGetConfig", read_preference=ReadPreference.PRIMARY_PREFERRED
        )["config"]
    except OperationFailure as error:
        if error.code != FORBIDDEN:
            raise
        return told
    configured = [
        Member(
            member["host"],
            votes=member["votes"] > 0,
            holds_data=not member["arbiterOnly"],
            delay_s=float(member.get("secondaryDelaySecs", 0)),
        )
        for member in config["members"]
    ]
    # If the set uses other names in other networks (horizons), clients go by the names they get.
    return configured if {m.name for m in told} <= {m.name for m in configured} else told


def _recall_members(client: MongoClient, access: _Access) -> tuple[str | None, list[Member]]:
    """Every member that the driver has heard of, even from members that clients cannot use now.

    If the driver has heard of none, the members that MONGODB_URI names.
    """
    topology = client.topology_description
    seen = topology.server_descriptions()
    told = {host for description in seen.values() for host in description.all_hosts}
    if not told:
        return topology.replica_set_name, [Member(name) for name in access.named]
    return topology.replica_set_name, [
        Member(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            holds_data=(host, port) not in seen or seen[host, port].server_type_name != "RSArbiter",
        )
        for host, port in sorted(told)
    ]


def _name_set(answers: list[MemberAnswer]) -> str:
    """The name of the set, from the first member that says one; the URI need not name it."""
    return next((a.hello["setName"] for a in answers if a.hello and "setName" in a.hello), "")


def _fault_of_hosts(named: tuple[str, ...], configured: list[Member]) -> str | None:
    """Why the site could not start although the set serves: it first asks the members `named`."""
    names = {member.name.lower() for member in configured}
    strangers = [name for name in named if name.lower() not in names]
    if strangers:
        return (
            f"MONGODB_URI names {', '.join(strangers)}, not in the set: name "
            f"{', '.join(sorted(names))} there."
        )
    # The set serves as long as a majority lives, so all others may be away.
    if named and len(named) <= (len(names) - 1) // 2:
        return (
            f"MONGODB_URI names only {', '.join(named)} of {len(names)} members, and nothing "
            f"starts while none of those answers: name {', '.join(sorted(names))} there."
        )
    return None


def _ask(member: Member, access: _Access) -> MemberAnswer:
    answer = MemberAnswer(None)
    try:
        with pymongo.timeout(ANSWER_TIMEOUT_S):
            with access.connect(member, logged_in=False) as client:
                answer = MemberAnswer(client.admin.command("hello"))
                # Asked again, because the first answer also took the time to connect.
                answer = replace(answer, ahead=_read_clock(client))
            if not member.holds_data or not _serves(answer.hello or {}):
                return answer
            with access.connect(member, logged_in=True) as client:
                return replace(answer, room=read_room(client[access.data_name]))
    except OperationFailure as error:
        return replace(answer, refusal_code=None if error.timeout else error.code)
    except PyMongoError:
        return answer


def _read_clock(client: MongoClient) -> Ahead:
    before_s = time.time()
    told_s = client.admin.command("hello")["localTime"].replace(tzinfo=UTC).timestamp()
    return Ahead(told_s - time.time(), told_s - before_s)


def _serves(hello: Mapping[str, Any]) -> bool:
    return any(hello.get(role) for role in ("isWritablePrimary", "secondary", "arbiterOnly"))


def _last_write(answer: MemberAnswer) -> datetime | None:
    return (answer.hello or {}).get("lastWrite", {}).get("lastWriteDate")


def _fault_of(
    member: Member, answer: MemberAnswer, set_name: str, newest: datetime | None
) -> str | None:
    """Why a booking cannot count on the member, and what to do about it; None if it can."""
    hello = answer.hello
    if hello is None:
        return "does not answer: start it, or check its machine, its network and its name"
    if "setName" not in hello:
        return "answers but is in no replica set: read its log, and compare rs.conf()"
    if hello["setName"] != set_name:
        return f"belongs to the replica set {hello['setName']}: start the right member there"
    if hello["me"] != member.name:
        return f"leads to {hello['me']}: check the address of its name"
    if not _serves(hello):
        return "starts, copies, recovers or rolls back: wait, and read its log if that lasts"
    last_write = _last_write(answer)
    if member.holds_data and newest and last_write:
        behind_s = (newest - last_write).total_seconds() - member.delay_s
        if behind_s > MAX_LAG_S:
            return f"is {behind_s:.0f} s behind: check its disk, its processor and its network"
    return None


def _lack_of_room(member: Member, answer: MemberAnswer) -> str | None:
    if answer.refusal_code is not None:
        return (
            f"{member.name} does not say how full its disk is ({answer.refusal_code}): let the "
            "site's user log in there, with readWrite"
        )
    if answer.room and answer.room.is_little:
        free = f"{answer.room.free_bytes / 2**30:.1f} GiB ({answer.room.share:.0%})"
        return f"{member.name} has {free} of its disk free: give it a larger one"
    return None


def _find_clocks_apart(configured: list[Member], answers: list[MemberAnswer]) -> str | None:
    """The two members whose clocks are furthest apart, if that is too far for certain."""
    clocks = [
        (answer.ahead, member.name)
        for member, answer in zip(configured, answers, strict=True)
        if answer.ahead
    ]
    if not clocks:
        return None
    first, first_name = max(clocks, key=lambda clock: clock[0].least_s)
    last, last_name = min(clocks, key=lambda clock: clock[0].most_s)
    apart_s = first.least_s - last.most_s
    if apart_s <= MAX_APART_S:
        return None
    return (
        f"the clock of {first_name} is {apart_s:.1f} s ahead of {last_name}'s: let NTP set both, "
        "or holds may end that much too early or too late after an election"
    )


def _count_spare(configured: list[Member], serving: list[Member]) -> int:
    """How many members may be lost before bookings stop; negative if they have stopped.

    A primary needs a majority of the votes. A write needs acknowledgements from as many members
    that hold data, or from all of those if they are fewer.
    https://www.mongodb.com/docs/manual/reference/write-concern/#calculating-majority-for-write-concern
    """
    votes = sum(member.votes for member in configured)
    majority = votes // 2 + 1
    writers = sum(member.votes and member.holds_data for member in configured)
    return min(
        sum(member.votes for member in serving) - majority,
        sum(member.votes and member.holds_data for member in serving) - min(majority, writers),
    )
