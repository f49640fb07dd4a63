"""The members of MongoDB's replica set, as this process's driver sees them, and the room they have.

The driver keeps an eye on every member that a client may use, so looking at them asks nothing.
Hidden members are not among them; the doctor asks those, too.
"""

from typing import Literal, NamedTuple, get_args

from pymongo.database import Database
from pymongo.server_description import ServerDescription

from bookings.infrastructure.connections import database

# A member that is further behind than this does not help to acknowledge a booking, whose request is
# over by then. MongoDB slows writes down to keep a majority nearer (flowControlTargetLagSeconds),
# and a primary that has nothing else to write writes that it lives every ten seconds.
MAX_LAG_S = 10.0

# A disk with less of it free is soon full, unless it is so large that this is much; a mongod whose
# disk is full stops.
MIN_FREE_SHARE = 0.15
MIN_FREE_BYTES = 10 * 2**30

# `recovering` stands for all that answers and does not serve: it starts, copies or rolls back, too.
State = Literal["primary", "secondary", "arbiter", "behind", "recovering", "away"]
STATES: tuple[State, ...] = get_args(State)


def count_by_state() -> dict[State, int]:
    """How many members are in each state; together they are all that clients may use."""
    topology = database().client.topology_description
    seen = topology.server_descriptions()
    primary = next((one for one in seen.values() if one.server_type_name == "RSPrimary"), None)
    # A driver forgets a member that says it is of another set, or of none, until the primary names
    # it again. One that was told to ask a single member (directConnection) sees no other.
    is_whole = topology.topology_type_name == "ReplicaSetWithPrimary"
    hosts = primary.all_hosts if primary and is_whole else seen.keys()
    counted = dict.fromkeys(STATES, 0)
    for host in hosts:
        counted[_state_of(seen.get(host), primary)] += 1
    return counted


def _state_of(member: ServerDescription | None, primary: ServerDescription | None) -> State:
    kind = member.server_type_name if member else "Unknown"
    if kind == "RSSecondary":
        newest_s = primary.last_write_date if primary else None
        own_s = member.last_write_date if member else None
        is_behind = newest_s is not None and own_s is not None and newest_s - own_s > MAX_LAG_S
        return "behind" if is_behind else "secondary"
    # A server that stands alone, or a router, is no member; requests are told so.
    states: dict[str, State] = {
        "RSPrimary": "primary",
        "RSArbiter": "arbiter",
        "RSOther": "recovering",
        "RSGhost": "recovering",
    }
    return states.get(kind, "away")


class DiskRoom(NamedTuple):
    """What is free on the disk under a member's data."""

    free_bytes: float
    size_bytes: float

    @property
    def share(self) -> float:
        return self.free_bytes / self.size_bytes

    @property
    def is_little(self) -> bool:
        return self.share < MIN_FREE_SHARE and self.free_bytes < MIN_FREE_BYTES


def read_room(data: Database) -> DiskRoom | None:
    """As the member that answers sees it; None where it does not say."""
    sizes = data.command("dbStats")
    size_bytes = sizes.get("fsTotalSize")
    return DiskRoom(size_bytes - sizes["fsUsedSize"], size_bytes) if size_bytes else None
