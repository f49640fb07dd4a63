"""The idempotency keys that pages put into their forms.

An intent is a wish for one room on one night. Its key stays the same until the wish had a
definite answer, so a double click, a reload, Back or a second tab sends one key, and that
books once. Afterwards the intent gets another one, so that a room which was cancelled can
be booked anew.

The session says which key is current; whether a posted key was handed out here is said by
its signature. Concurrent requests save a session last-write-wins, and the second click
often arrives after the first has replaced the key: a list of keys in the session would
lose some of them, a signature cannot.
"""

import logging
import secrets
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError
from django.utils.crypto import salted_hmac
from pymongo.errors import PyMongoError

logger = logging.getLogger(__name__)

# What the session holds: intent → nonce of its present key, for intents that were settled.
_NONCES = "booking_nonces"

# The nonce of every intent that has none of its own.
_FOR_THE_REST = ""

# More settled intents than a person has in one session. Then all of them get new keys.
MAX_SETTLED = 50


@dataclass(frozen=True)
class Intent:
    """One room of one hotel for one night; the texts are as received, so they may be nonsense."""

    hotel: str
    room: str
    night: str

    def __str__(self) -> str:
        return f"{self.hotel}|{self.night}|{self.room}"


class IntentKeys:
    """The keys of one logged-in person in one session."""

    def __init__(self, session: SessionBase, user_id: object) -> None:
        self._session = session
        self._user_id = user_id

    def current(self, intent: Intent) -> str:
        """The key to put into the intent's form: the same one for every page of the session."""
        nonces = self._session.get(_NONCES, {})
        nonce = nonces.get(str(intent)) or nonces.get(_FOR_THE_REST) or self._first_nonce()
        return self._signer(intent).sign(nonce)

    def accept(self, intent: Intent, posted: str) -> str:
        """The posted key, if it was handed out to this person for this intent, else the current."""
        try:
            self._signer(intent).unsign(posted)
        except BadSignature:
            return self.current(intent)
        return posted

    def settle(self, intent: Intent, key: str) -> None:
        """Replaces the intent's key after a definite answer. The answer stands if this fails."""
        if key != self.current(intent):
            return  # the first of two clicks has done it
        nonces = dict(self._session.get(_NONCES, {}))
        if len(nonces) >= MAX_SETTLED:
            nonces = {_FOR_THE_REST: _new_nonce()}
        nonces[str(intent)] = _new_nonce()
        self._session[_NONCES] = nonces
        try:
            self._session.save()
        except (UpdateError, DatabaseError, PyMongoError):
            # A logout at the same moment, or a database that is gone: the page would replay
            # the answer, and settle then.
            logger.info("booking_key_not_replaced")
        # Saved or not, the session must not fail the answer on its way out.
        self._session.modified = False

    def _first_nonce(self) -> str:
        """Made from the session's own key: no write, and so nothing for two tabs to lose."""
        return salted_hmac("bookings.web.intents", self._session.session_key or "").hexdigest()[:32]

    def _signer(self, intent: Intent) -> Signer:
        return Signer(salt=f"bookings.web.intents|{self._user_id}|{intent}", sep=".")


def _new_nonce() -> str:
    return secrets.token_hex(16)
