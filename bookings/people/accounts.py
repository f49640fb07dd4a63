"""People's accounts: finding them by their address, making them, deleting them.

An account has one address or none. `auth_user.email` has it in its normalised form, and a unique
index keeps it to one account. An address is verified once the account's owner has followed a link
that was sent to it. An account's name is its address, unless staff made the account.
"""

import logging
import secrets
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError
from django.db.models import Q
from django.db.models.signals import post_init, post_save, pre_delete, pre_save
from django.dispatch import receiver
from pymongo.client_session import ClientSession

from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_user
from bookings.domain.email_addresses import is_address, normalise_address
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.texts import normalise
from bookings.models import VerifiedAddress
from bookings.people import guest_links, retention_rules
from bookings.refusals import NotAuthenticated, TryAgain
from bookings.stays import remarks
from bookings.stays.writing import ownership

logger = logging.getLogger(__name__)

# An account's name is its address, and this is the longest name that Django allows.
MAX_ACCOUNT_ADDRESS = 150


class AddressTaken(ValidationError):
    """Another account has this address; give each account one of its own."""

    def __init__(self) -> None:
        super().__init__("Another account has this address; give each account one of its own.")


class AccountDeleted(DatabaseError):
    """This account was deleted meanwhile, so nothing of it was saved."""

    def __init__(self) -> None:
        super().__init__("This account was deleted meanwhile, so nothing of it was saved.")


def find_account(address: str) -> User | None:
    """The account with this normalised address, or None.

    Only the account's present address counts. Its name may look like an address, too, and a
    verified address may have been given up since; the owner of such a mailbox must not get in.
    """
    return User.objects.filter(email=address).first() if address else None


def find_accounts(spellings: list[str]) -> list[User]:
    """Every account whose address or name is one of these, in upper or lower case."""
    is_meant = Q(email__in=[*spellings, *map(str.lower, spellings)])
    for spelling in spellings:
        is_meant |= Q(username__iexact=spelling)
    return list(User.objects.filter(is_meant))


def name_of(typed: str) -> str:
    """The name of the account with the typed address; the typed text if that is no address.

    Look-alike letters, such as wide or circled ones, count as the plain ones, as in Django.
    """
    typed = normalise("NFKC", typed)
    if not is_address(typed):
        return typed
    address = normalise_address(typed)
    account = find_account(address)
    return account.get_username() if account else address


def make_account(*, address: str, name: str, password: str) -> User | None:
    """An account for a person who has proved to own the address; None if it has one already."""
    if find_account(address):
        return None
    # Staff may have made an account with this name that has another address now.
    is_free = not User.objects.filter(username=address).exists()
    username = address if is_free else f"guest-{secrets.token_hex(8)}"
    try:
        user = User.objects.create_user(username, address, password, first_name=name)
    except (IntegrityError, AddressTaken):
        return None  # a second click was quicker
    verify_address(user=user, address=address)
    return user


def verify_address(*, user: User, address: str) -> bool:
    """Notes that the account's owner has proved to own its address. Returns False if the account
    has another address, or was deleted meanwhile.

    An earlier owner has given the address up; otherwise this account could not have it.
    """
    if not User.objects.filter(pk=user.pk, email=address).exists():
        return False

    def write(session: ClientSession) -> None:
        _note_verified(user, address, session)

    try:
        account_deletion.write_as(str(caller_of_user(user.pk)), write)
    except NotAuthenticated:
        return False
    return True


def choose_password(*, user: User, password: str) -> bool:
    """Gives the account a new password, after its owner followed a link sent to its address, and
    notes that the address is theirs.

    Returns False if the account has changed since the link was checked: hashing takes long, and
    meanwhile it may be deleted, closed, given another address, or used with another link.
    """
    address = user.email
    as_judged = {
        "_id": user.pk,
        "email": address,
        "password": user.password,
        "last_login": user.last_login,
        "is_active": True,
    }
    user.set_password(password)

    def write(session: ClientSession) -> bool:
        chosen = collection(User._meta.db_table).update_one(
            as_judged, {"$set": {"password": user.password}}, session=session
        )
        if chosen.matched_count:
            _note_verified(user, address, session)
        return chosen.matched_count == 1

    try:
        return account_deletion.write_as(str(caller_of_user(user.pk)), write)
    except NotAuthenticated:
        return False


def _note_verified(user: User, address: str, session: ClientSession) -> None:
    proof = {"user_id": user.pk, "verified_at": clock.now()}
    collection(VerifiedAddress._meta.db_table).update_one(
        {"_id": address}, {"$set": proof}, upsert=True, session=session
    )


def is_verified(user: User) -> bool:
    """Whether the account's owner has proved to own the account's present address."""
    return VerifiedAddress.objects.filter(pk=user.email, user=user).exists()


def forget_verified(spellings: list[str]) -> None:
    """Forgets that these addresses were verified, no matter for which account."""
    VerifiedAddress.objects.filter(pk__in=spellings).delete()


def judge_address(typed: str, *, of: Any) -> str:
    """The address in the form to store in the account `of`, which may be unsaved.

    Raises ValidationError if it is no address, and AddressTaken if it is another account's.
    """
    address = normalise_address(typed)
    if User.objects.filter(email=address).exclude(pk=of.pk).exists():
        raise AddressTaken
    return address


def forget_former_addresses(user: User) -> None:
    """Forgets the addresses that were verified for the account, except its present one."""
    VerifiedAddress.objects.filter(user=user.pk).exclude(pk=user.email).delete()


def check_password(user: Any, typed: str | None) -> bool:
    """Whether this is the account's password; if so, replaces a hash of an outdated kind.

    Replaces Django's method of this name, which every log-in and the admin's page for one's own
    password call. Django's method saves the new hash over whatever is stored by then.
    """
    is_of_earlier_kind: list[str] = []
    is_right = hashers.check_password(typed, user.password, setter=is_of_earlier_kind.append)
    return _hash_once_more(user, typed) if is_of_earlier_kind else is_right


User.add_to_class("check_password", check_password)


def _hash_once_more(user: Any, typed: str | None) -> bool:
    """Stores a hash of the present kind for a correct password; returns whether it still is.

    Hashing takes long. Meanwhile the owner may choose another password, perhaps because a stranger
    knows this one, and that must not be undone; or a second click may hash the same one.
    """
    as_judged = {"_id": user.pk, "password": user.password}
    try:
        user.set_password(typed)
    except TryAgain:
        return True  # it was right; too many hash now, so the next log-in replaces the hash
    user._password = None  # or Django would treat it as a new password at the next save
    replaced = collection(User._meta.db_table).update_one(
        as_judged, {"$set": {"password": user.password}}
    )
    if not replaced.matched_count:
        stored = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
        if stored is None or not hashers.check_password(typed, stored):
            user.password = as_judged["password"]
            return False
        user.password = stored
    # As if read from there, so that a later save leaves alone whatever hash is stored by then.
    user.as_read["password"] = user.password
    return True


@receiver(post_init, sender=settings.AUTH_USER_MODEL)
def _note_as_read(instance: Any, **_: Any) -> None:
    """Remembers the account's fields as they were read, or as they were when it was made."""
    names = (field.attname for field in instance._meta.concrete_fields)
    loaded = instance.__dict__
    instance.as_read = {name: loaded[name] for name in names if name in loaded}


@receiver(pre_save, sender=settings.AUTH_USER_MODEL)
def _keep_what_is_stored(
    instance: Any, raw: bool, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """Checks every save of an account: by a registration, the admin's pages for passwords,
    `createsuperuser`, `changepassword` or a shell.

    Django saves every field, and makes an account that is missing. So this refuses to save an
    account that was deleted since it was read, and keeps the stored value of every field that the
    save does not change: hashing a password takes long, and staff may meanwhile close the account
    or give it another address. A save of named fields does neither by itself. The unique index has
    the last word on addresses. Raises AccountDeleted, and the errors of `judge_address`.
    """
    if raw or not (update_fields is None or "email" in update_fields):
        return
    stored = User.objects.filter(pk=instance.pk).values().first() if instance.pk else None
    if not instance._state.adding:
        if stored is None:
            raise AccountDeleted
        for name, value in stored.items():
            if name in instance.as_read and instance.__dict__[name] == instance.as_read[name]:
                setattr(instance, name, value)
    if instance.email and (stored is None or instance.email != stored["email"]):
        instance.email = judge_address(instance.email, of=instance)


@receiver(post_save, sender=settings.AUTH_USER_MODEL)
def _look_after_saving(instance: Any, raw: bool, created: bool, **_: Any) -> None:
    """Deletes an account again that was deleted between the check and the save, which brought it
    back. Its deletion began with a mark, and that is there by now. Raises AccountDeleted.

    If this is cut short, the doctor reports the account as half deleted.
    """
    if raw:
        return
    if created and account_deletion.is_closed(str(caller_of_user(instance.pk))):
        instance.delete()
        raise AccountDeleted
    if instance.email != instance.as_read.get("email"):
        forget_former_addresses(instance)
    _note_as_read(instance)


def close_account(user: User, session: ClientSession | None = None) -> None:
    """Ends the account's right to write, before its person's data is erased. In a transaction, it
    takes effect with the commit.

    The caller deletes the account next. Safe to repeat.
    """
    account_deletion.begin_deletion(str(caller_of_user(user.pk)), session)


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def forget_user(instance: Any, **_: Any) -> None:
    """Detaches the bookings from an account that is about to be deleted.

    One random pseudonym takes its place in all of them, so they still belong together. From here
    on the account writes nothing, not even in a request that is under way. If this fails, the
    account is still there for another try, and the doctor reports it. Safe to repeat.
    """
    person = str(caller_of_user(instance.pk))
    pseudonym = account_deletion.begin_deletion(person)
    changed = ownership.replace_person(person, pseudonym)
    remarks.replace_author(person, pseudonym)
    guest_links.replace_author(person, pseudonym)
    retention_rules.replace_author(person, pseudonym)
    logger.info("user_forgotten", extra={"bookings": changed})
