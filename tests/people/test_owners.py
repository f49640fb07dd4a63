"""Someone who can give rights to the staff always remains, also when two change things at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.people import owners, staff_hotels
from bookings.people.owners import ChangedAtOnce, LastOwner, Loses, all_rights_of, leaving

pytestmark = pytest.mark.mongo

SECRET = "a long secret"


def administrator(name: str, **fields: Any) -> User:
    user = User.objects.create_superuser(name, password=SECRET)
    User.objects.filter(pk=user.pk).update(**fields)
    return user


def changer(name: str) -> User:
    user = User.objects.create_user(name, password=SECRET, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_user"))
    return user


def is_refused(loses: Loses) -> bool:
    told = owners.refuse(loses)
    try:
        with leaving(loses):
            assert told is None
    except LastOwner:
        assert told
        return True
    return False


def at_once(*doing: Callable[[], None]) -> list[Exception]:
    """Runs them in threads that begin together; returns what they raised."""
    start, raised = threading.Barrier(len(doing)), []

    def run(one: Callable[[], None]) -> None:
        start.wait()
        try:
            one()
        except Exception as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[one]) for one in doing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_keeps_one_of_two_owners_who_demote_each_other_at_the_same_moment() -> None:
    ada, bob = administrator("ada"), administrator("bob")

    def demote(user: User) -> Callable[[], None]:
        def run() -> None:
            with leaving(Loses(administrators=frozenset({user.pk}))):
                User.objects.filter(pk=user.pk).update(is_superuser=False)

        return run

    for _ in range(10):
        User.objects.update(is_superuser=True)
        refused = at_once(demote(ada), demote(bob))

        assert [type(one) for one in refused] == [LastOwner]
        assert User.objects.filter(is_superuser=True).count() == 1


def test_counts_no_one_who_is_about_to_leave() -> None:
    ada, bob = administrator("ada"), administrator("bob")

    with leaving(all_rights_of([ada.pk])):
        assert is_refused(all_rights_of([bob.pk]))

    assert not is_refused(all_rights_of([bob.pk]))


def test_refuses_to_let_all_go_together() -> None:
    ada, bob = administrator("ada"), administrator("bob")

    assert is_refused(all_rights_of([ada.pk, bob.pk]))


@pytest.mark.parametrize(
    "fields",
    [
        {"is_active": False},
        {"is_staff": False},
        {"is_superuser": False},
        {"password": "!no password"},
    ],
)
def test_counts_only_administrators_who_can_log_in(fields: dict[str, Any]) -> None:
    ada = administrator("ada")
    bob = administrator("bob", **fields)

    assert is_refused(all_rights_of([ada.pk]))
    assert not is_refused(all_rights_of([bob.pk]))


def test_keeps_who_may_change_users_on_a_site_without_administrators() -> None:
    ada = changer("ada")
    limited = changer("bob")
    staff_hotels.set_hotels(limited.pk, frozenset({"demo"}), before=None)

    assert is_refused(all_rights_of([ada.pk]))
    assert not is_refused(all_rights_of([limited.pk]))
    administrator("carl")
    assert not is_refused(all_rights_of([ada.pk]))


def test_counts_the_rights_of_groups() -> None:
    group = Group.objects.create(name="owners")
    group.permissions.add(Permission.objects.get(codename="change_user"))
    ada = User.objects.create_user("ada", password=SECRET, is_staff=True)
    ada.groups.add(group)
    try:
        assert owners.find_changers() == {ada.pk}
        assert owners.find_changers(without_groups=[group.pk]) == frozenset()
        assert owners.may_change_users(groups=[group], hotels=None)
        assert not owners.may_change_users(groups=[group], hotels=frozenset({"demo"}))
        assert is_refused(all_rights_of([ada.pk]))
    finally:
        group.delete()


def test_changes_one_person_at_a_time() -> None:
    ada, bob = administrator("ada"), administrator("bob")

    with leaving(owners.NOTHING, of=ada.pk):
        with pytest.raises(ChangedAtOnce), leaving(owners.NOTHING, of=ada.pk):
            pass
        with leaving(owners.NOTHING, of=bob.pk):
            pass

    with leaving(owners.NOTHING, of=ada.pk):
        pass


def test_forgets_a_change_that_was_killed() -> None:
    ada, bob = administrator("ada"), administrator("bob")
    with leaving(all_rights_of([ada.pk]), of=ada.pk):
        killed = collection("leaving").find_one()
    assert killed
    killed["changes"][0]["until"] = clock.now() - timedelta(seconds=1)
    collection("leaving").replace_one({"_id": killed["_id"]}, killed)

    assert not is_refused(all_rights_of([bob.pk]))
    with leaving(owners.NOTHING, of=ada.pk):
        pass


def test_lets_go_of_a_change_that_failed() -> None:
    ada, bob = administrator("ada"), administrator("bob")

    with pytest.raises(ZeroDivisionError), leaving(all_rights_of([ada.pk])):
        _ = 1 / 0

    assert not is_refused(all_rights_of([bob.pk]))
