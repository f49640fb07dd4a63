"""The second factor of staff's login: a code from an app on their telephone (TOTP, RFC 6238).

`second_factors` has one document for each person who has set up a device: its sealed secret, the
last time step whose code was accepted, and digests of recovery codes. Every change is one
compare-and-set, so that a code or recovery code is accepted once, however many requests bring it at
the same moment. bookings/infrastructure/throttles.py counts the guesses. docs/decisions/0026 says
why this uses no framework.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_user
from bookings.infrastructure import clock, throttles
from bookings.infrastructure.connections import collection
from bookings.infrastructure.seals import open_seal, seal
from bookings.infrastructure.throttles import Limit
from bookings.refusals import NotAuthenticated, Throttled

# What every app supports: six digits of SHA-1, every half minute.
DIGITS, STEP_S, SECRET_BYTES = 6, 30, 20

# A telephone's clock may be this many steps off, and typing may take as long.
TOLERATED_STEPS = 1

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # no one guesses 80 bits, so a plain digest protects a code

# Three codes of a million are valid at a time. At this pace, a stranger who knows the password
# needs half a year for an even chance, and fills the log on the way.
GUESSES = Limit("second-factor", 5, 5 * 60)

_COLLECTION = "second_factors"


@dataclass(frozen=True)
class SecondFactor:
    """A device that was set up. Sessions store `device`, the name of the one they have proved."""

    device: str
    set_up_at: datetime
    recovery_left: int


def find_factor(user_id: Any) -> SecondFactor | None:
    """The person's device, or None."""
    found = collection(_COLLECTION).find_one({"_id": user_id})
    if found is None:
        return None
    return SecondFactor(found["device"], found["set_up_at"], len(found["recovery"]))


def new_secret() -> str:
    """A sealed secret for a new device, kept in the session that sets it up.

    Only there: a secret in the database would also be given to a stranger who knows the password,
    and the owner's device would then be the stranger's as well.
    """
    return seal(base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode())


def open_secret(sealed: str) -> str:
    """The secret in base32. Raises SealBroken if SECRET_KEY has been replaced since."""
    return open_seal(sealed)


def confirm_set_up(user_id: Any, sealed: str, code: str) -> tuple[SecondFactor, list[str]] | None:
    """Stores the device for the person if the code is right; with recovery codes, shown once.

    None if it is wrong, or if meanwhile another request set up a device or the account was deleted.
    Raises Throttled after too many guesses, and SealBroken as `open_secret` does.
    """
    _count_guess(user_id)
    step = _step_of(_digits(code), open_seal(sealed))
    if step is None:
        return None
    codes = _new_recovery_codes()
    now, device = clock.now(), secrets.token_hex(8)
    set_up = {
        "secret": sealed,
        "device": device,
        "set_up_at": now,
        "last_step": step,
        "recovery": [_digest(user_id, made) for made in codes],
    }

    def write(session: ClientSession) -> None:
        collection(_COLLECTION).insert_one({"_id": user_id, **set_up}, session=session)

    try:
        account_deletion.write_as(str(caller_of_user(user_id)), write)
    except (DuplicateKeyError, NotAuthenticated):
        return None
    return SecondFactor(device, now, len(codes)), codes


def prove(user_id: Any, code: str) -> str | None:
    """Accepts a code of the person's device or a recovery code, once; returns the device's name.

    None if it is wrong or was used before. Raises Throttled after too many guesses, and SealBroken
    if SECRET_KEY was replaced; recovery codes work even then.
    """
    _count_guess(user_id)
    found = collection(_COLLECTION).find_one({"_id": user_id})
    if found is None:
        return None
    its_own = {"_id": user_id, "device": found["device"]}
    if digits := _digits(code):
        secret = open_seal(found["secret"])
        step = _step_of(digits, secret)
        if step is None:
            return None
        # Steps only go up, so that neither this code nor an earlier one is accepted again. Seals
        # the secret again, so that people who log in during a rotation of SECRET_KEY are done.
        taken = collection(_COLLECTION).update_one(
            {**its_own, "last_step": {"$lt": step}},
            {"$set": {"last_step": step, "secret": seal(secret)}},
        )
    else:
        digest = _digest(user_id, code)
        taken = collection(_COLLECTION).update_one(
            {**its_own, "recovery": digest}, {"$pull": {"recovery": digest}}
        )
    return found["device"] if taken.modified_count else None


def renew_recovery_codes(user_id: Any) -> list[str]:
    """Replaces all recovery codes of a person who has proved the right to that."""
    codes = _new_recovery_codes()
    collection(_COLLECTION).update_one(
        {"_id": user_id},
        {"$set": {"recovery": [_digest(user_id, code) for code in codes]}},
    )
    return codes


def remove_factor(user_id: Any) -> bool:
    """Removes the device and its recovery codes; False if there was none."""
    return bool(collection(_COLLECTION).delete_one({"_id": user_id}).deleted_count)


def provisioning_uri(secret: str, *, account: str, issuer: str) -> str:
    """The URI that an app reads from the picture, or that a tap on the telephone opens."""
    return _totp(secret).get_provisioning_uri(account, issuer)


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def forget_user(instance: Any, **_: Any) -> None:
    """Removes the device of an account that is being deleted, and keeps others from being set up.

    It begins the deletion itself, since Django may call the receivers in any order.
    """
    account_deletion.begin_deletion(str(caller_of_user(instance.pk)))
    remove_factor(instance.pk)


def _count_guess(user_id: Any) -> None:
    if left_s := throttles.wait_s(GUESSES, str(user_id)):
        raise Throttled(retry_after_s=left_s)


def _step_of(digits: str, secret: str) -> int | None:
    """The time step that the code belongs to, the newest if several; None if it is wrong."""
    totp, now_step = _totp(secret), int(clock.now().timestamp()) // STEP_S
    found = None
    for step in range(now_step - TOLERATED_STEPS, now_step + TOLERATED_STEPS + 1):
        # Tries every step, so that the time says nothing.
        if hmac.compare_digest(totp.generate(step * STEP_S), digits.encode()):
            found = step
    return found


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_S)


def _digits(code: str) -> str:
    """An app's code, which it shows in two groups, without spaces; empty for anything else."""
    plain = re.sub(r"\s", "", code)
    return plain if re.fullmatch(rf"[0-9]{{{DIGITS}}}", plain) else ""


def _new_recovery_codes() -> list[str]:
    """Recovery codes in groups of four, which are easy to read from paper."""
    made = (
        base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
        for _ in range(RECOVERY_CODES)
    )
    return [" ".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in made]


def _digest(user_id: Any, code: str) -> str:
    """The code's digest; groups, dashes and capitals do not matter."""
    plain = re.sub(r"[\s-]", "", code).lower()
    return hashlib.sha256(f"{user_id}:{plain}".encode()).hexdigest()
