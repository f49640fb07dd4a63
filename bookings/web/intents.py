"""The idempotency keys that pages put into their forms.

An intent is a wish for a number of rooms of one category on certain nights. Its key stays the
same until its booking has ended or a refusal is final. So a double click, a reload, Back, a second
tab or a lost answer all send one key, and it books once. The same key confirms the hold that it
made. Then the intent gets the next key, so that the guest can book a cancelled stay again.

The session stores the current key. A session that does not know it starts with the first key and
follows the bookings it made to the same keys as any other session. A signature proves that a
posted key was issued to this visitor for this intent. A list of keys in the session could not:
when concurrent requests save a session, the last write wins, and the second click often arrives
after the first has replaced the key. Each key follows from the one before, so two requests that
replace it at the same moment agree on the next.
"""

import logging
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from pymongo.errors import PyMongoError

from bookings.domain.callers import Caller
from bookings.web import visitors

logger = logging.getLogger(__name__)

# In the session: intent → nonce of its current key, for intents that were settled.
_NONCES = "booking_nonces"

_SALT = "bookings.web.intents"

# More settled intents than a person has in one session. Beyond this, the oldest start again with
# their first key, which costs the guest one more click at worst.
MAX_SETTLED = 50

# How many keys of one intent are tried when the session does not know the current one. No guest
# releases the same stay more often than that.
MAX_CHAIN = 10


def keys_of(request: HttpRequest) -> "IntentKeys":
    """The keys of the visitor who sent this request."""
    caller, before = visitors.caller_of(request), visitors.guest_before(request)
    return IntentKeys(request.session, caller, before)


@dataclass(frozen=True)
class Intent:
    """A number of rooms of a category for a stay, with the same number of guests in each."""

    hotel: str
    category: str
    arrival: date
    departure: date
    guests: int
    rooms: int

    def __str__(self) -> str:
        return "|".join(
            (
                self.hotel,
                self.category,
                self.arrival.isoformat(),
                self.departure.isoformat(),
                str(self.guests),
                str(self.rooms),
            )
        )


class IntentKeys:
    """The keys of one visitor in one session.

    `guest` is the guest that this browser was before its visitor logged in. Keys issued to that
    guest are still valid and still belong to the guest.
    """

    def __init__(self, session: SessionBase, caller: Caller, guest: Caller | None) -> None:
        self._session = session
        self._caller = caller
        self._guest = guest

    def current(self, intent: Intent) -> str:
        """The key for the intent's form, the same on every page of the session."""
        return self._current_for(self._caller, intent)

    def accept(self, intent: Intent, posted: str) -> tuple[str, Caller]:
        """The posted key and its owner, if this browser was given the key for this intent; else the
        current key and the caller."""
        for caller in self._callers:
            if _nonce_of(caller, intent, posted) is not None:
                return posted, caller
        return self.current(intent), self._caller

    def after(self, intent: Intent, key: str) -> str:
        """The key after this accepted one, whose booking has ended.

        It belongs to this caller, even if the accepted key belonged to the guest.
        """
        nonce = _nonce_of(self._caller, intent, key)
        current = self.current(intent)
        if nonce is None or key != current:
            return current
        return _sign(self._caller, intent, _next_nonce(nonce))

    def are_current(self, intent: Intent) -> list[str]:
        """The intent's current keys: the caller's, and the guest's from before the login."""
        return [self._current_for(caller, intent) for caller in self._callers]

    def candidates(self, intent: Intent) -> list[str]:
        """Every key under which the visitor may have made a booking of this intent.

        They start with the first key, since another device or an ended session may have settled
        keys that this session does not know. They include keys of earlier secrets: a hold made
        before the secret was replaced must keep the key that confirms it.
        """
        return [
            key
            for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
            for caller in self._callers
            for key in (
                *_chain_from(caller, intent, secret),
                self._current_for(caller, intent, secret),
            )
        ]

    def settle(self, intent: Intent, key: str) -> None:
        """Replaces the intent's key after a final answer, which stands even if this fails."""
        if key != self.current(intent):
            return  # the first of two clicks has replaced it
        nonce = _nonce_of(self._caller, intent, key)
        assert nonce is not None
        nonces = dict(self._session.get(_NONCES, {}))
        nonces.pop(str(intent), None)
        nonces[str(intent)] = _next_nonce(nonce)
        self._session[_NONCES] = dict(list(nonces.items())[-MAX_SETTLED:])
        if self._session.session_key is None:
            return  # the middleware saves a new session and sets its cookie
        try:
            self._session.save()
        except (UpdateError, DatabaseError, PyMongoError):
            # A logout at the same moment, or an unreachable database. The next click replays the
            # answer and settles the key then.
            logger.info("booking_key_not_replaced")
        # Saved or not, the session must not make the middleware fail the answer.
        self._session.modified = False

    @property
    def _callers(self) -> list[Caller]:
        if self._guest is None or str(self._guest) == str(self._caller):
            return [self._caller]
        return [self._caller, self._guest]

    def _current_for(self, caller: Caller, intent: Intent, secret: str | None = None) -> str:
        known = self._session.get(_NONCES, {}).get(str(intent))
        return _sign(caller, intent, known or _first_nonce(caller, secret), secret)


def _first_nonce(caller: Caller, secret: str | None) -> str:
    """Derived from the caller. It needs no write that two tabs or devices could lose."""
    return salted_hmac(_SALT, str(caller), secret=secret).hexdigest()[:32]


def _chain_from(caller: Caller, intent: Intent, secret: str) -> list[str]:
    """The first key made with this secret, and the keys that follow it."""
    keys = []
    nonce = _first_nonce(caller, secret)
    for _ in range(MAX_CHAIN):
        keys.append(_sign(caller, intent, nonce, secret))
        nonce = _next_nonce(nonce, secret)
    return keys


def _next_nonce(nonce: str, secret: str | None = None) -> str:
    return salted_hmac(f"{_SALT}.next", nonce, secret=secret).hexdigest()[:32]


def _sign(caller: Caller, intent: Intent, nonce: str, secret: str | None = None) -> str:
    """The key, signed with the current secret unless another is given."""
    return _signer(caller, intent, secret).sign(nonce)


def _nonce_of(caller: Caller, intent: Intent, key: str) -> str | None:
    try:
        return _signer(caller, intent).unsign(key)
    except BadSignature:
        return None


def _signer(caller: Caller, intent: Intent, secret: str | None = None) -> Signer:
    return Signer(key=secret, salt=f"{_SALT}|{caller}|{intent}", sep=".")
