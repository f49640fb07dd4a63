"""The idempotency keys that pages put into their forms.

An intent is a wish for so many rooms of a category on some nights. Its key stays the same
until what it made is over, or was refused for good: so a double click, a reload, Back, a second
tab or a lost answer all send one key, and that books once; and the same key confirms the hold
it made. Afterwards the intent gets the next key, so that what was cancelled can be booked anew.

The session says which key is current. One that does not know begins with the first key, and goes
on from what that one made, to the same keys as any other. Whether a posted key was handed out
here is said by its signature. Concurrent requests save a session last-write-wins, and the second
click often arrives after the first has replaced the key: a list of keys in the session would lose
some of them, a signature cannot. And since each key follows from the one before, two requests
that replace it at the same moment agree on the next.
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

# What the session holds: intent → nonce of its present key, for intents that were settled.
_NONCES = "booking_nonces"

_SALT = "bookings.web.intents"

# More settled intents than a person has in one session. Then the oldest begin again, which
# costs them one more press of the button at worst.
MAX_SETTLED = 50

# Keys of one wish that are looked through where a session does not know which is current;
# nobody lets one stay go more often than that.
MAX_CHAIN = 10


def keys_of(request: HttpRequest) -> "IntentKeys":
    """The keys of whoever asks."""
    caller, before = visitors.caller_of(request), visitors.guest_before(request)
    return IntentKeys(request.session, caller, before)


@dataclass(frozen=True)
class Intent:
    """So many rooms of a category, with so many guests in each, for the nights of a stay."""

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

    `guest` is who this browser was before its person logged in: keys that were handed out
    then are still good, and still belong to the guest.
    """

    def __init__(self, session: SessionBase, caller: Caller, guest: Caller | None) -> None:
        self._session = session
        self._caller = caller
        self._guest = guest

    def current(self, intent: Intent) -> str:
        """The key to put into the intent's form: the same one for every page of the session."""
        return self._current_for(self._caller, intent)

    def accept(self, intent: Intent, posted: str) -> tuple[str, Caller]:
        """The posted key and whose it is, if it was handed out in this browser for this intent;
        else the current one."""
        for caller in self._callers:
            if _nonce_of(caller, intent, posted) is not None:
                return posted, caller
        return self.current(intent), self._caller

    def after(self, intent: Intent, key: str) -> str:
        """The key that follows this accepted one, now that what it made is over.

        It is this caller's, also where the guest's was before it.
        """
        nonce = _nonce_of(self._caller, intent, key)
        current = self.current(intent)
        if nonce is None or key != current:
            return current
        return _sign(self._caller, intent, _next_nonce(nonce))

    def are_current(self, intent: Intent) -> list[str]:
        """The keys that the wish has now, as this person's and as the guest's before."""
        return [self._current_for(caller, intent) for caller in self._callers]

    def candidates(self, intent: Intent) -> list[str]:
        """The keys under which the visitor may have made what they have of this intent.

        From the first one on, since another device, or a session that is over, may have settled
        some that this session knows nothing of. And with earlier secrets too: a hold that was made
        before the secret was replaced must not lose the key that confirms it.
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
        """Replaces the intent's key after what is final. The answer stands if this fails."""
        if key != self.current(intent):
            return  # the first of two clicks has done it
        nonce = _nonce_of(self._caller, intent, key)
        assert nonce is not None
        nonces = dict(self._session.get(_NONCES, {}))
        nonces.pop(str(intent), None)
        nonces[str(intent)] = _next_nonce(nonce)
        self._session[_NONCES] = dict(list(nonces.items())[-MAX_SETTLED:])
        if self._session.session_key is None:
            return  # it is made, and its cookie set, on the way out
        try:
            self._session.save()
        except (UpdateError, DatabaseError, PyMongoError):
            # A logout at the same moment, or a database that is gone: the page would replay
            # the answer, and settle then.
            logger.info("booking_key_not_replaced")
        # Saved or not, the session must not fail the answer on its way out.
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
    """Made of who they are: no write, and so nothing for two tabs, or two devices, to lose."""
    return salted_hmac(_SALT, str(caller), secret=secret).hexdigest()[:32]


def _chain_from(caller: Caller, intent: Intent, secret: str) -> list[str]:
    """The first key that this secret makes, and those that follow it."""
    keys = []
    nonce = _first_nonce(caller, secret)
    for _ in range(MAX_CHAIN):
        keys.append(_sign(caller, intent, nonce, secret))
        nonce = _next_nonce(nonce, secret)
    return keys


def _next_nonce(nonce: str, secret: str | None = None) -> str:
    return salted_hmac(f"{_SALT}.next", nonce, secret=secret).hexdigest()[:32]


def _sign(caller: Caller, intent: Intent, nonce: str, secret: str | None = None) -> str:
    """The key; of today's secret unless another is given."""
    return _signer(caller, intent, secret).sign(nonce)


def _nonce_of(caller: Caller, intent: Intent, key: str) -> str | None:
    try:
        return _signer(caller, intent).unsign(key)
    except BadSignature:
        return None


def _signer(caller: Caller, intent: Intent, secret: str | None = None) -> Signer:
    return Signer(key=secret, salt=f"{_SALT}|{caller}|{intent}", sep=".")
