"""Callers: the owners of keys and bookings, and the actors in a booking's history.

A caller is written `client:<id>` (a partner, whichever token it uses), `user:<id>` (a person who is
logged in) or `guest:<id>` (a browser without a login; bookings/web/visitors.py chooses its id). The
same spelling names a booking's owner and the actor in its history.
"""

from dataclasses import dataclass

# What a token may be allowed: to read hotels, prices and what is free; to make, read and change
# bookings; to do so for guests of its own. Everyone else may do the first two.
READ, BOOK, ACT_FOR_OTHERS = "read", "book", "act_for_others"
SCOPES = (READ, BOOK, ACT_FOR_OTHERS)


@dataclass(frozen=True)
class Caller:
    """A person or program that may book. `kind` is `client`, `user` or `guest`.

    `manages` has the ids of the bookings that the caller opened with a signed link.
    `guest` is the guest that the person's browser was before the login, "" if it was none.
    `scopes` has READ, BOOK or both. `hotels` has the ids of the only hotels that the caller may
    know of; None means all.
    """

    kind: str
    id: str
    may_act_for_others: bool = False
    manages: frozenset[str] = frozenset()
    guest: str = ""
    scopes: frozenset[str] = frozenset({READ, BOOK})
    hotels: frozenset[str] | None = None

    def may_know(self, hotel: str) -> bool:
        """Whether the caller may see this hotel, and book there."""
        return self.hotels is None or hotel in self.hotels

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def owners(self) -> tuple[str, ...]:
        """The owners whose bookings this caller may see and change: the caller, and that guest."""
        return (str(self), self.guest) if self.guest else (str(self),)

    def owners_to_match(self, booking_id: str) -> tuple[str, ...] | None:
        """The owners to whom the booking must belong for this caller to see it.

        None if a link opened it: then its owner does not matter.
        """
        return None if booking_id in self.manages else self.owners

    @property
    def is_authenticated(self) -> bool:
        """Always true. Django REST framework asks this of a request's user."""
        return True


def caller_of_user(user_id: object) -> Caller:
    """The caller for a person, by the id of their account."""
    return Caller("user", str(user_id))


def caller_of_guest(guest_id: str) -> Caller:
    """The caller for a guest without an account, by the random id of their browser."""
    return Caller("guest", guest_id)
