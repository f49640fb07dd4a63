"""The accounts of people: found by their address, made with one, and deleted.

An account has one address or none. It stands in `auth_user.email` in its normalised form, which a
unique index keeps to one account, and it is verified once its owner has followed a link that was
sent there. An account that a person made is called by its address; staff give any name.
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
from bookings.refusals import NotAuthenticated, TryAgain
from bookings.stays.writing import ownership

logger = logging.getLogger(__name__)

# An account's name is its address, and Django gives a name so many characters.
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
    """Whose address this is, in its normalised form.

    By the address that stands in the account and nothing else. An account's name may look like an
    address too, and an address that was verified once may have been given up since; who has such a
    mailbox must not get the account.
    """
    return User.objects.filter(email=address).first() if address else None


def find_accounts(spellings: list[str]) -> list[User]:
    """Every account that has one of these as its address or its name, in whatever case."""
    is_meant = Q(email__in=[*spellings, *map(str.lower, spellings)])
    for spelling in spellings:
        is_meant |= Q(username__iexact=spelling)
    return list(User.objects.filter(is_meant))


def name_of(typed: str) -> str:
    """The name of the account that somebody means who types an address, or the name itself.

    Look-alike letters are taken for the plain ones, as Django's forms and names do: wide, circled.
    """
    typed = normalise("NFKC", typed)
    if not is_address(typed):
        return typed
    address = normalise_address(typed)
    account = find_account(address)
    return account.get_username() if account else address


def make_account(*, address: str, name: str, password: str) -> User | None:
    """An account for whoever has proved that the address is theirs; None if it has one already."""
    if find_account(address):
        return None
    # Staff may have called another account so, which has another address now.
    is_free = not User.objects.filter(username=address).exists()
    username = address if is_free else f"guest-{secrets.token_hex(8)}"
    try:
        user = User.objects.create_user(username, address, password, first_name=name)
    except (IntegrityError, AddressTaken):
        return None  # a second click was quicker
    verify_address(user=user, address=address)
    return user


def verify_address(*, user: User, address: str) -> bool:
    """Notes that the account's owner has proved to have its address; False if it is not its own,
    or the account was deleted meanwhile.

    Whose it was before has given it up, or it would not be this account's.
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
    """Gives the account a new password, for its owner who has followed a link that was sent to its
    address, and notes that the address is theirs.

    False if the account is not what the link was judged by any more: hashing takes long, and
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
    """Whether the account's owner has proved to have the address that it has now."""
    return VerifiedAddress.objects.filter(pk=user.email, user=user).exists()


def forget_verified(spellings: list[str]) -> None:
    """Forgets that these addresses were verified, whose account they are now or were once."""
    VerifiedAddress.objects.filter(pk__in=spellings).delete()


def judge_address(typed: str, *, of: Any) -> str:
    """The address as it is to stand in the account `of`, which may be one that is not saved yet.

    Raises ValidationError for what is no address, and AddressTaken for another account's.
    """
    address = normalise_address(typed)
    if User.objects.filter(email=address).exclude(pk=of.pk).exists():
        raise AddressTaken
    return address


def forget_former_addresses(user: User) -> None:
    """Forgets what was verified for the account and is not its own any more."""
    VerifiedAddress.objects.filter(user=user.pk).exclude(pk=user.email).delete()


def check_password(user: Any, typed: str | None) -> bool:
    """Whether this is the account's password; a hash of an earlier kind is replaced if it is.

    It takes the place of Django's method of this name, through which every log-in goes and the
    admin's page for one's own password. Django's saves the new hash whatever is stored by then.
    """
    is_of_earlier_kind: list[str] = []
    is_right = hashers.check_password(typed, user.password, setter=is_of_earlier_kind.append)
    return _hash_once_more(user, typed) if is_of_earlier_kind else is_right


User.add_to_class("check_password", check_password)


def _hash_once_more(user: Any, typed: str | None) -> bool:
    """Stores a hash of today's kind for a password that was right; whether it is so still.

    Hashing takes long. Meanwhile the owner may choose another password, perhaps because a stranger
    knows this one, and that is not undone; or the same one is hashed by a second click.
    """
    as_judged = {"_id": user.pk, "password": user.password}
    try:
        user.set_password(typed)
    except TryAgain:
        return True  # it was right, and too many hash just now: at the next log-in
    user._password = None  # or Django takes it for a new one at the next save
    replaced = collection(User._meta.db_table).update_one(
        as_judged, {"$set": {"password": user.password}}
    )
    if not replaced.matched_count:
        stored = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
        if stored is None or not hashers.check_password(typed, stored):
            user.password = as_judged["password"]
            return False
        user.password = stored
    # It counts as read, so that a later save leaves alone whatever hash is stored by then.
    user.as_read["password"] = user.password
    return True


@receiver(post_init, sender=settings.AUTH_USER_MODEL)
def _note_as_read(instance: Any, **_: Any) -> None:
    """What the account was when it was read, or is to be when it is made."""
    names = (field.attname for field in instance._meta.concrete_fields)
    loaded = instance.__dict__
    instance.as_read = {name: loaded[name] for name in names if name in loaded}


@receiver(pre_save, sender=settings.AUTH_USER_MODEL)
def _keep_what_is_stored(
    instance: Any, raw: bool, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """The one door that every account goes through, however it is saved: by a registration, the
    admin's pages for passwords, `createsuperuser`, `changepassword` or a shell.

    Django saves every field, and makes an account that is not there. So an account that was deleted
    since it was read is not saved, and what the save does not change stays as it is stored: hashing
    a password takes long, and staff may close the account or move it to another address meanwhile.
    A save of named fields alone does neither. For addresses the unique index has the last word.
    Raises AccountDeleted, and what `judge_address` raises.
    """
    if raw or not (update_fields is None or "email" in update_fields):
        return
    stored = User.objects.filter(pk=instance.pk).values().first()
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
    """An account that was deleted between the look and the save has come back by it, and goes
    again: its deletion began with a mark, which is there by now. Raises AccountDeleted.

    Should this be cut short, the doctor names the account as half deleted.
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
    """Ends what the account may write, before anything of its person is erased; in a transaction
    if that is committed.

    It is deleted next. Safe to repeat.
    """
    account_deletion.begin_deletion(str(caller_of_user(user.pk)), session)


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def forget_user(instance: Any, **_: Any) -> None:
    """Cuts the bookings loose from an account that is about to be deleted.

    All of them get one random pseudonym in its place, so that they still belong together. From
    here on the account writes nothing more, also where a request of its is under way. Should this
    fail, the account is still there to try again; the doctor tells of one that was left so. Safe
    to repeat.
    """
    person = str(caller_of_user(instance.pk))
    pseudonym = account_deletion.begin_deletion(person)
    changed = ownership.replace_person(person, pseudonym)
    logger.info("user_forgotten", extra={"bookings": changed})
