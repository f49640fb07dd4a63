"""Who is who: the caller a key belongs to, and the tokens of API clients.

A caller is `client:<id>` (a partner, never its token), `user:<id>` (a person who is logged in)
or `guest:<id>` (a browser in which nobody is; bookings/web/visitors.py gives it its id). The
same spelling names a booking's owner and the actor in its history.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

from bson import ObjectId

from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection

# 256 bits: nobody guesses it, so a plain digest protects it and looking it up stays cheap.
TOKEN_BYTES = 32
TOKEN_PREFIX = "bks_"

# Where callers of a kind are written down, and what their names are called there.
_NAMED = {"client": ("api_clients", "name"), "user": ("auth_user", "username")}
_GUEST_ID = re.compile(r"[0-9a-f]{32}")


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


def read_caller(text: str) -> str | None:
    """The caller that an operator means: `client:NAME`, `user:NAME`, or either by its id.

    A guest is known by the id of their browser alone. None if there is no such caller.
    """
    kind, _, name = text.partition(":")
    if kind == "guest":
        return text if _GUEST_ID.fullmatch(name) else None
    if kind not in _NAMED:
        return None
    people, called = collection(_NAMED[kind][0]), _NAMED[kind][1]
    found = (
        people.find_one({"_id": ObjectId(name)}, {"_id": 1}) if ObjectId.is_valid(name) else None
    )
    found = found or people.find_one({called: name}, {"_id": 1})
    return f"{kind}:{found['_id']}" if found else None


def find_caller(token: str) -> Caller | None:
    """The client whose live token this is, or None."""
    record = collection("api_tokens").find_one({"_id": digest_of_token(token), "revoked_at": None})
    if record is None:
        return None
    client = collection("api_clients").find_one({"_id": record["client_id"], "is_active": True})
    if client is None:
        return None
    return Caller("client", str(client["_id"]), bool(client["act_for_others"]))


def issue_token(client_id: ObjectId) -> str:
    """Makes a token for the client and returns it; only its digest is kept."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    collection("api_tokens").insert_one(
        {
            "_id": digest_of_token(token),
            "client_id": client_id,
            "hint": token[-4:],
            "created_at": clock.now(),
            "revoked_at": None,
        }
    )
    return token


def revoke_tokens(client_id: ObjectId) -> int:
    """Ends every live token of the client at once; returns how many there were."""
    ended = collection("api_tokens").update_many(
        {"client_id": client_id, "revoked_at": None}, {"$set": {"revoked_at": clock.now()}}
    )
    return ended.modified_count


def revoke_token(digest: str) -> bool:
    """Ends one live token at once; False if it had ended already."""
    ended = collection("api_tokens").update_one(
        {"_id": digest, "revoked_at": None}, {"$set": {"revoked_at": clock.now()}}
    )
    return ended.modified_count == 1


def digest_of_token(token: str) -> str:
    """SHA-256 (hex), the only form in which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
