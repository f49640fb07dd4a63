"""Who is who: the caller that a key, a booking and a line of its history belong to.

A caller is `client:<id>` (a partner, never its token), `user:<id>` (a person who is logged in)
or `guest:<id>` (a browser in which nobody is; bookings/web/visitors.py gives it its id). The
same spelling names a booking's owner and the actor in its history.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Somebody who may book. `kind` is `client`, `user` or `guest`.

    `manages` are ids of bookings that a signed link opened to them, theirs or not. `guest` is
    the guest that this person's browser was before they logged in, empty where it was none.
    """

    kind: str
    id: str
    may_act_for_others: bool = False
    manages: frozenset[str] = frozenset()
    guest: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose bookings this caller sees and may change: theirs, and those of that guest."""
        return (str(self), self.guest) if self.guest else (str(self),)

    def owners_to_match(self, booking_id: str) -> tuple[str, ...] | None:
        """Whose the booking must be for this caller to see it; None where a link lets them."""
        return None if booking_id in self.manages else self.owners

    @property
    def is_authenticated(self) -> bool:
        """What Django asks of whoever made a request; a Caller is always somebody."""
        return True


def caller_of_user(user_id: object) -> Caller:
    """The caller for a person, by the id of their account."""
    return Caller("user", str(user_id))


def caller_of_guest(guest_id: str) -> Caller:
    """The caller for a guest without an account, by the random id of their browser."""
    return Caller("guest", guest_id)
