"""Says of an arrival's room that its last guest has not left: the desk may know better, so nothing
is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bookings.availability.occupancy import Occupant


@dataclass(frozen=True)
class StillThere:
    """A guest who has not left one or more of an arrival's rooms."""

    rooms: str
    guest: Occupant


def tell_still_there(
    rooms: Sequence[str], others: Iterable[Occupant], names: Mapping[str, str]
) -> tuple[StillThere, ...]:
    """Those of the others who are in one of the rooms."""
    told = []
    for other in others:
        shared = [names.get(room, room) for room in rooms if room in other.rooms]
        if shared:
            told.append(StillThere(", ".join(shared), other))
    return tuple(told)
