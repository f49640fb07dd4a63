"""The accounts of people: found by a verified address, made with one, and deleted.

An address is verified by whoever follows a link that was sent to it. An account that a person
made has its address as its name; those that staff made have any name, and perhaps an address.
"""

import unicodedata
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from bookings import clock, services
from bookings.addresses import is_address, normalise_address
from bookings.models import VerifiedAddress

# An account's name is its address, and Django gives a name so many characters.
MAX_ACCOUNT_ADDRESS = 150


def find_account(address: str) -> User | None:
    """Whose normalised address this is: verified, an account's name, or one that staff wrote down.

    For the worker: the last of these reads every account.
    """
    verified = VerifiedAddress.objects.filter(pk=address).select_related("user").first()
    if verified:
        return verified.user
    if user := User.objects.filter(username=address).first():
        return user
    # Staff may have given several the same address, and then it names none of them.
    users = list(User.objects.filter(email__iexact=address)[:2])
    return users[0] if len(users) == 1 else None


def find_accounts(spellings: list[str]) -> list[User]:
    """Every account that has one of these: verified, as its name, or written down by staff."""
    ids = set(VerifiedAddress.objects.filter(pk__in=spellings).values_list("user_id", flat=True))
    for spelling in spellings:
        ids |= set(User.objects.filter(username__iexact=spelling).values_list("pk", flat=True))
        ids |= set(User.objects.filter(email__iexact=spelling).values_list("pk", flat=True))
    return list(User.objects.filter(pk__in=ids))


def name_of(typed: str) -> str:
    """The name of the account that somebody means who types an address, or the name itself.

    Look-alike letters are taken for the plain ones, as Django's forms and names do: wide, circled.
    """
    typed = unicodedata.normalize("NFKC", typed)
    if not is_address(typed):
        return typed
    address = normalise_address(typed)
    verified = VerifiedAddress.objects.filter(pk=address).select_related("user").first()
    return verified.user.get_username() if verified else address


def make_account(*, address: str, name: str, password: str) -> User | None:
    """An account for whoever has proved that the address is theirs; None if it has one already."""
    if find_account(address):
        return None
    try:
        user = User.objects.create_user(address, email=address, password=password, first_name=name)
    except IntegrityError:
        return None  # a second click was quicker
    verify_address(user=user, address=address)
    return user


def verify_address(*, user: User, address: str) -> bool:
    """Notes that the address is the account's; False if it is another one's already."""
    verified, _ = VerifiedAddress.objects.get_or_create(
        address=address, defaults={"user": user, "verified_at": clock.now()}
    )
    return verified.user == user


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def forget_user(instance: Any, **_: Any) -> None:
    """Before the account goes: should this fail, the account is still there to try again."""
    services.forget_user(user_id=instance.pk)
