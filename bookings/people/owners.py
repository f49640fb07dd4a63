"""The last person who can give others rights is never locked out.

An administrator is a superuser who can log in to the admin: open, of the staff, with a password.
One must remain. A site without any keeps a person who may change users instead.

Two owners may demote each other at the same moment. So a change that takes such rights away first
writes into one document, by compare-and-set, who is about to lose them. People who are about to
lose them do not count for the next one. Writes `leaving`.
"""

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from pymongo.errors import DuplicateKeyError

from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.people import staff_hotels
from bookings.refusals import TryAgain

CHANGES_USERS = "auth.change_user"

# Several times as long as a request may take; one that was killed stands in the way no longer.
_LEAVES_WITHIN = timedelta(minutes=2)

# Each try that fails means that another change has just begun or ended.
_TRIES = 50

_THE_ONE = "staff"


class LastOwner(Exception):
    """The message is a sentence that says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "This is the last account that can give rights to the staff, so nothing was changed. "
            "Make another person administrator first, who can log in."
        )


class ChangedAtOnce(Exception):
    """Another change of the same person is under way."""


@dataclass(frozen=True)
class Loses:
    """The accounts that stop being administrators, and those that stop changing users."""

    administrators: frozenset[Any] = frozenset()
    changers: frozenset[Any] = frozenset()


NOTHING = Loses()


def all_rights_of(user_ids: Collection[Any]) -> Loses:
    """What is lost if these accounts are closed or deleted, or can log in no longer."""
    return Loses(frozenset(user_ids), frozenset(user_ids))


def what_groups_give(group_ids: Collection[Any]) -> Loses:
    """What is lost if these groups let no one change users any longer."""
    return Loses(changers=find_changers() - find_changers(without_groups=group_ids))


def find_administrators() -> frozenset[Any]:
    """The accounts of superusers who can log in."""
    return frozenset(_who_can_log_in().filter(is_superuser=True).values_list("pk", flat=True))


def find_changers(*, without_groups: Collection[Any] = ()) -> frozenset[Any]:
    """The accounts of others who can log in and may change users at the whole site; as if these
    groups gave no right to that."""
    right = right_to_change_users()
    groups = set(Group.objects.filter(permissions=right).values_list("pk", flat=True))
    members = User.groups.through.objects.filter(group__in=groups.difference(without_groups))
    owned = User.user_permissions.through.objects.filter(permission=right)
    able = {*members.values_list("user_id", flat=True), *owned.values_list("user_id", flat=True)}
    found = _who_can_log_in().filter(pk__in=able).values_list("pk", flat=True)
    return frozenset(found) - staff_hotels.read_limits(able).keys()


def may_change_users(
    *, groups: Collection[Any], permissions: Collection[Any] = (), hotels: staff_hotels.Hotels
) -> bool:
    """Whether someone with these groups, permissions and hotels may change users."""
    if hotels is not None:
        return False
    right = right_to_change_users()
    if right.pk in {permission.pk for permission in permissions}:
        return True
    ids = [group.pk for group in groups]
    return Group.objects.filter(pk__in=ids, permissions=right).exists()


def refuse(loses: Loses) -> str | None:
    """The sentence that refuses the change, or None. A later write needs `leaving` as well."""
    try:
        _judge(loses, _read()[1])
    except LastOwner as refusal:
        return str(refusal)
    return None


@contextmanager
def leaving(loses: Loses, *, of: Any = None) -> Iterator[None]:
    """Keeps these people from counting as owners until the block, which changes them, has ended.

    Raises LastOwner if no one would be left. With `of`, the account of one person, also
    raises ChangedAtOnce while another block changes the same person.
    """
    token = secrets.token_hex(8)
    _begin(loses, of, token)
    try:
        yield
    finally:
        collection("leaving").update_one(
            {"_id": _THE_ONE},
            {"$pull": {"changes": {"token": token}}, "$set": {"version": secrets.token_hex(8)}},
        )


def _begin(loses: Loses, of: Any, token: str) -> None:
    for _ in range(_TRIES):
        # Read before the accounts: a change that begins in between spoils the compare-and-set.
        version, under_way = _read()
        if of is not None and any(each["of"] == of for each in under_way):
            raise ChangedAtOnce
        _judge(loses, under_way)
        begun = {
            "token": token,
            "of": of,
            "administrators": sorted(loses.administrators),
            "changers": sorted(loses.changers),
            "until": clock.now() + _LEAVES_WITHIN,
        }
        if _swap(version, [*under_way, begun]):
            return
    raise TryAgain


def _read() -> tuple[str | None, list[dict[str, Any]]]:
    """The document's version, and the changes that are under way."""
    found = collection("leaving").find_one({"_id": _THE_ONE})
    if found is None:
        return None, []
    now: datetime = clock.now()
    return found["version"], [each for each in found["changes"] if each["until"] > now]


def _swap(version: str | None, changes: list[dict[str, Any]]) -> bool:
    new = {"version": secrets.token_hex(8), "changes": changes}
    try:
        swapped = collection("leaving").update_one(
            {"_id": _THE_ONE, "version": version}, {"$set": new}, upsert=version is None
        )
    except DuplicateKeyError:
        return False
    return bool(swapped.matched_count or swapped.upserted_id)


def _judge(loses: Loses, under_way: list[dict[str, Any]]) -> None:
    if not (loses.administrators or loses.changers):
        return
    if owners := find_administrators():
        losing = loses.administrators
        others = {one for each in under_way for one in each["administrators"]}
    else:
        owners, losing = find_changers(), loses.changers
        others = {one for each in under_way for one in each["changers"]}
    if owners & losing and not owners - losing - others:
        raise LastOwner


def _who_can_log_in() -> QuerySet[User]:
    return User.objects.filter(
        ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX), is_staff=True, is_active=True
    )


def right_to_change_users() -> Permission:
    """The permission that makes someone who is no superuser count as an owner."""
    app_label, _, codename = CHANGES_USERS.partition(".")
    return Permission.objects.get(content_type__app_label=app_label, codename=codename)
