"""Colleagues: people with accounts of staff and a role, who are invited by mail."""

import secrets
from contextlib import suppress
from typing import Any

from bson import ObjectId
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from bookings.people import account_letters, accounts, roles, staff_hotels

ROLES = (roles.FRONT_DESK, roles.MANAGER)

INVITED, WAITING, JOINED, THERE = "invited", "waiting", "joined", "there"


class CannotJoin(ValueError):
    """The message is a sentence that says what to do."""


def invite(
    *, address: str, name: str, role: str, hotel: str | None, writes_again: bool = True
) -> str:
    """Gives the person with this normalised address a role, and invites who has no account yet.

    They belong to this hotel, or to all of them if it is None; those who belong to others as well
    still do. Returns INVITED for a new account, which gets a letter; WAITING if an invitation was
    not accepted yet, which then gets no other letter unless `writes_again`; JOINED if the account
    of a guest now belongs to the staff; and THERE if its person works here already and has the role
    now. Raises CannotJoin.
    """
    group = Group.objects.filter(name=role).first()
    if group is None:
        raise CannotJoin(f"There is no group “{role}” any more; add it under Groups first.")
    user = accounts.find_account(address)
    if user is None:
        user = _make_account(address, name, group, hotel)
        account_letters.ask_for_invitation(address)
        return INVITED
    if not user.is_active:
        raise CannotJoin("The account of this address is closed. Open it under Users first.")
    if user.is_staff:
        _let_belong(user.pk, hotel, is_new=False)
        _give_role(user, group)
        if not user.has_usable_password():
            if not writes_again:
                return WAITING
            account_letters.ask_for_invitation(address)
            return INVITED
        return THERE
    # The person who made this account may have typed another person's address.
    if not accounts.is_verified(user):
        raise CannotJoin(
            "This address has an account, but no one has proved that the address is theirs. Ask "
            "your colleague to choose a new password under Log in, then send this form again."
        )
    # Before the rights, so that they are never there for all hotels.
    _let_belong(user.pk, hotel, is_new=True)
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    _give_role(user, group)
    return JOINED


def _make_account(address: str, name: str, group: Group, hotel: str | None) -> User:
    is_free = not User.objects.filter(username=address).exists()
    username = address if is_free else f"staff-{secrets.token_hex(8)}"
    user = User(pk=ObjectId(), username=username, email=address, first_name=name, is_staff=True)
    user.set_unusable_password()
    _let_belong(user.pk, hotel, is_new=True)
    try:
        user.save(force_insert=True)
    except (IntegrityError, ValidationError):
        staff_hotels.add_all_hotels(user.pk)
        raise CannotJoin(
            "Someone has just made an account for this address. Send this form again."
        ) from None
    _give_role(user, group)
    return user


def _let_belong(user_id: Any, hotel: str | None, *, is_new: bool) -> None:
    if hotel is None:
        staff_hotels.add_all_hotels(user_id)
    else:
        staff_hotels.add_hotel(user_id, hotel, is_new=is_new)


def _give_role(user: User, group: Group) -> None:
    # A twin of this request may give it at the same moment.
    with suppress(IntegrityError):
        user.groups.add(group)
