"""The team: everyone who may log in to the admin, and what owners change about one of them.

Every change is one of what was seen: it compares the person with what the page was made of.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.contrib.auth.models import Group, User
from django.db import IntegrityError

from bookings.infrastructure import throttles
from bookings.infrastructure.connections import collection
from bookings.infrastructure.throttles import Limit
from bookings.people import account_letters, accounts, colleagues, owners, sessions, staff_hotels
from bookings.people.staff_hotels import Hotels

# A button that is pressed twice sends one invitation.
INVITATIONS = Limit("invitation", 1, 60)


class MemberChanged(Exception):
    """Someone else has changed the person since; nothing was written."""


@dataclass(frozen=True)
class TeamMember:
    """Someone with an account of staff. `hotels` is None for all hotels; `has_password` is False
    until the invitation was accepted."""

    id: Any
    username: str
    name: str
    address: str
    roles: tuple[str, ...]
    hotels: Hotels
    is_superuser: bool
    is_open: bool
    has_password: bool
    has_second_factor: bool
    last_login: datetime | None

    @property
    def state(self) -> list[Any]:
        """What owners change, for comparing it with what was seen."""
        hotels = None if self.hotels is None else sorted(self.hotels)
        return [str(self.id), self.is_superuser, self.is_open, list(self.roles), hotels]


def list_team() -> list[TeamMember]:
    """All accounts of staff, also closed ones, by account name."""
    return _describe(list(User.objects.filter(is_staff=True).order_by("username")))


def list_open_at(hotel: str) -> list[TeamMember]:
    """Those who may log in and belong to this hotel, by account name."""
    return [
        each
        for each in list_team()
        if each.is_open and (each.hotels is None or hotel in each.hotels)
    ]


def find_member(user_id: str) -> TeamMember | None:
    """The member of the staff with this id."""
    if not ObjectId.is_valid(user_id):
        return None
    found = _describe(list(User.objects.filter(pk=ObjectId(user_id), is_staff=True)))
    return found[0] if found else None


def _describe(users: list[User]) -> list[TeamMember]:
    ids = [user.pk for user in users]
    names = dict(Group.objects.values_list("pk", "name"))
    given: dict[Any, list[str]] = {}
    memberships = User.groups.through.objects.filter(user__in=ids)
    for user_id, group_id in memberships.values_list("user_id", "group_id"):
        if group_id in names:
            given.setdefault(user_id, []).append(names[group_id])
    limited = staff_hotels.read_limits(ids)
    devices = collection("second_factors").find({"_id": {"$in": ids}}, {"_id": 1})
    with_device = {device["_id"] for device in devices}
    return [
        TeamMember(
            id=user.pk,
            username=user.get_username(),
            name=user.get_full_name() or user.get_username(),
            address=user.email,
            roles=tuple(sorted(given.get(user.pk, ()))),
            hotels=None if user.is_superuser else limited.get(user.pk),
            is_superuser=user.is_superuser,
            is_open=user.is_active,
            has_password=user.has_usable_password(),
            has_second_factor=user.pk in with_device,
            last_login=user.last_login,
        )
        for user in users
    ]


def change_member(seen: TeamMember, *, roles: Collection[str], hotels: Hotels) -> None:
    """Gives the person these roles and hotels, and no others.

    Raises MemberChanged, owners.LastOwner, and owners.ChangedAtOnce.
    """
    groups = {group.name: group for group in Group.objects.filter(name__in=[*roles, *seen.roles])}
    wanted = [groups[name] for name in roles if name in groups]
    user = User.objects.get(pk=seen.id)
    stays = owners.may_change_users(
        groups=wanted, permissions=list(user.user_permissions.all()), hotels=hotels
    )
    loses = owners.NOTHING if stays else owners.Loses(changers=frozenset({seen.id}))
    with owners.leaving(loses, of=seen.id):
        _compare(seen)
        # The hotels first if they get fewer: if the rest fails, the person has less than asked.
        if not staff_hotels.set_hotels(seen.id, hotels, before=seen.hotels):
            raise MemberChanged
        user.groups.remove(*(groups[name] for name in set(seen.roles) - set(roles)))
        # Another page may give a role at the same moment.
        with suppress(IntegrityError):
            user.groups.add(*(each for each in wanted if each.name not in seen.roles))


def close_member(seen: TeamMember) -> None:
    """Closes the account and ends its sessions. Raises as `change_member` does."""
    with owners.leaving(owners.all_rights_of([seen.id]), of=seen.id):
        _compare(seen)
        User.objects.filter(pk=seen.id).update(is_active=False)
        sessions.end_sessions(seen.id)


def open_member(seen: TeamMember) -> None:
    """Opens the account. Raises as `change_member` does."""
    with owners.leaving(owners.NOTHING, of=seen.id):
        _compare(seen)
        # A login that was under way when the account was closed may have made one.
        sessions.end_sessions(seen.id)
        User.objects.filter(pk=seen.id).update(is_active=True)


def invite(*, address: str, name: str, role: str, hotels: Hotels) -> str:
    """Invites a colleague to these hotels, or to all, as `colleagues.invite` does. Sent again, it
    changes nothing. Raises colleagues.CannotJoin."""
    first, *others = [None] if hotels is None else sorted(hotels)
    result = colleagues.invite(
        address=address, name=name, role=role, hotel=first, writes_again=False
    )
    user = accounts.find_account(address)
    for hotel in others:
        if user is not None and hotel is not None:
            staff_hotels.add_hotel(user.pk, hotel, is_new=False)
    return result


def invite_again(member: TeamMember) -> int:
    """Sends the invitation once more. If that was done just before, returns how many seconds to
    wait instead."""
    if left_s := throttles.wait_s(INVITATIONS, str(member.id)):
        return left_s
    account_letters.ask_for_invitation(member.address)
    return 0


def _compare(seen: TeamMember) -> None:
    present = find_member(str(seen.id))
    if present is None or present.state != seen.state:
        raise MemberChanged
