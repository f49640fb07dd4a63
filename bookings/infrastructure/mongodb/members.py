"""The members of MongoDB's replica set, as this process's driver sees them, and their free disk.

The driver monitors every member that a client may use, so counting them sends no command. Hidden
members are not among them; the doctor asks those, too.
"""

from typing import Literal, NamedTuple, get_args

from pymongo.database import Database
from pymongo.server_description import ServerDescription

from bookings.infrastructure.connections import database

# A member with a longer lag cannot help to acknowledge a booking: the request has ended before it
# catches up. MongoDB slows writes down to keep the majority's lag shorter
# (flowControlTargetLagSeconds). An idle primary writes a no-op every ten seconds.
MAX_LAG_S = 10.0

# A disk with less than both of these free will soon be full. A mongod with a full disk stops. The
# share alone is not enough: on a large disk it is a lot of room.
MIN_FREE_SHARE = 0.15
MIN_FREE_BYTES = 10 * 2**30

# `recovering` covers every member that answers but does not serve: while it starts, copies or rolls
# back, too.
State = Literal["primary", "secondary", "arbiter", "behind", "recovering", "away"]
STATES: tuple[State, ...] = get_args(State)


def count_by_state() -> dict[State, int]:
    """The number of members in each state, of all members that clients may use."""
    topology = database().client.topology_description
    seen = topology.server_descriptions()
    primary = next((one for one in seen.values() if one.server_type_name == "RSPrimary"), None)
    # The driver forgets a member that says it belongs to another set, or to none, until the primary
    # names it again. With directConnection the driver sees only one member.
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
    # A standalone server or a router is no member; requests to it fail with an error that says so.
    states: dict[str, State] = {
        "RSPrimary": "primary",
        "RSArbiter": "arbiter",
        "RSOther": "recovering",
        "RSGhost": "recovering",
    }
    return states.get(kind, "away")


class DiskRoom(NamedTuple):
    """The free space on the disk that holds a member's data."""

    free_bytes: float
    size_bytes: float

    @property
    def share(self) -> float:
        """The free share of the disk, from 0 to 1."""
        return self.free_bytes / self.size_bytes

    @property
    def is_little(self) -> bool:
        """Whether both MIN_FREE_SHARE and MIN_FREE_BYTES are missed."""
        return self.share < MIN_FREE_SHARE and self.free_bytes < MIN_FREE_BYTES


def read_room(data: Database) -> DiskRoom | None:
    """The disk of the member that answers, or None if it does not say."""
    sizes = data.command("dbStats")
    size_bytes = sizes.get("fsTotalSize")
    return DiskRoom(size_bytes - sizes["fsUsedSize"], size_bytes) if size_bytes else None
