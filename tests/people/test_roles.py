"""The groups of the staff: made once, extended with new rights, and otherwise left to the staff."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.people import roles
from bookings.people.roles import FRONT_DESK, MANAGER, give_roles

pytestmark = pytest.mark.mongo


@pytest.fixture(autouse=True)
def made_anew(database: None) -> Iterator[None]:
    """As on a new database, before and after."""
    for _ in range(2):
        Group.objects.filter(name__in=[FRONT_DESK, MANAGER]).delete()
        collection("roles").delete_many({})
        give_roles()
        if _ == 0:
            yield


def rights(name: str) -> set[str]:
    found = Group.objects.get(name=name).permissions.all()
    return {f"{right.content_type.app_label}.{right.codename}" for right in found}


def right(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def test_gives_the_front_desk_bookings_and_a_look_at_the_rest() -> None:
    assert rights(FRONT_DESK) == {
        *(f"bookings.{action}_bookingrecord" for action in ("view", "add", "change")),
        *(f"bookings.{action}_roomblock" for action in ("view", "add", "change")),
        *(f"bookings.{action}_deliveryrecord" for action in ("view", "change")),
        *(f"bookings.view_{model}" for model in ("hotel", "roomcategory", "room", "night")),
    }


def test_gives_the_manager_all_of_it_and_no_way_to_become_more() -> None:
    found = rights(MANAGER)

    assert rights(FRONT_DESK) < found
    assert {"bookings.view_figures", "bookings.change_night", "admin.view_logentry"} < found
    assert {label for label in found if label.startswith("auth.")} == {
        "auth.view_user",
        "auth.view_group",
    }


def test_is_quiet_when_migrated_twice() -> None:
    before = rights(MANAGER), list(collection("roles").find())
    said = io.StringIO()

    call_command("migrate", stdout=said, verbosity=1)

    assert (rights(MANAGER), list(collection("roles").find())) == before
    assert Group.objects.filter(name=MANAGER).count() == 1


def test_gives_back_nothing_that_staff_took_away() -> None:
    Group.objects.get(name=MANAGER).permissions.remove(right("change_night"))
    Group.objects.get(name=MANAGER).permissions.add(right("view_idempotencykey"))

    give_roles()

    assert "bookings.change_night" not in rights(MANAGER)
    assert "idempotency.view_idempotencykey" in rights(MANAGER)


def test_makes_no_group_again_that_staff_deleted_or_renamed() -> None:
    Group.objects.filter(name=FRONT_DESK).delete()
    Group.objects.filter(name=MANAGER).update(name="owner")

    give_roles()

    assert not Group.objects.filter(name__in=[FRONT_DESK, MANAGER]).exists()
    Group.objects.filter(name="owner").delete()


def test_leaves_a_group_alone_that_had_the_name_before() -> None:
    Group.objects.filter(name=MANAGER).delete()
    collection("roles").delete_many({"_id": MANAGER})
    Group.objects.create(name=MANAGER).permissions.add(right("view_room"))

    give_roles()
    give_roles()

    assert rights(MANAGER) == {"bookings.view_room"}


def test_gives_a_right_that_is_new_in_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    Group.objects.get(name=FRONT_DESK).permissions.remove(right("view_night"))
    more = {**roles.ROLES[FRONT_DESK], "idempotency.idempotencykey": ("view",)}
    monkeypatch.setitem(roles.ROLES, FRONT_DESK, more)

    give_roles()

    assert "idempotency.view_idempotencykey" in rights(FRONT_DESK)
    assert "bookings.view_night" not in rights(FRONT_DESK)


def test_goes_on_where_a_migration_was_killed() -> None:
    Group.objects.filter(name=MANAGER).delete()
    collection("roles").update_one({"_id": MANAGER}, {"$set": {"given": []}})

    give_roles()

    assert "bookings.view_figures" in rights(MANAGER)


def test_lets_a_manager_make_nobody_more_than_they_are(client: Client) -> None:
    boss = User.objects.create_user("boss", is_staff=True)
    boss.groups.add(Group.objects.get(name=MANAGER))
    other = User.objects.create_user("other")
    client.force_login(boss)
    more = {"username": "boss", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    all_rights = [str(each.pk) for each in Permission.objects.all()]

    answers = [
        client.post(
            f"/admin/auth/user/{boss.pk}/change/", {**more, "user_permissions": all_rights}
        ),
        client.post(f"/admin/auth/user/{other.pk}/change/", {**more, "username": "other"}),
        client.post("/admin/auth/user/add/", {**more, "username": "new"}),
        client.post(f"/admin/auth/user/{other.pk}/password/", {"password1": "a", "password2": "a"}),
        client.post("/admin/auth/group/add/", {"name": "new", "permissions": all_rights}),
        client.post(
            f"/admin/auth/group/{boss.groups.get().pk}/change/",
            {"name": MANAGER, "permissions": all_rights},
        ),
    ]

    assert [answer.status_code for answer in answers] == [403] * 6
    assert not User.objects.filter(is_superuser=True).exists()
    assert "auth.change_user" not in rights(MANAGER)


def test_gives_the_demo_a_login_for_each_role(settings: object) -> None:
    settings.DEMO_STAFF_PASSWORD = settings.DEMO_CUSTOMER_PASSWORD = "demo"  # type: ignore[attr-defined]

    for _ in range(2):
        call_command("seed_demo", "--users", stdout=io.StringIO())

    found = {
        user.username: (user.is_staff, user.is_superuser, [each.name for each in user.groups.all()])
        for user in User.objects.all()
    }
    assert found == {
        "staff": (True, True, []),
        "manager": (True, False, [MANAGER]),
        "desk": (True, False, [FRONT_DESK]),
        "guest": (False, False, []),
    }
    assert Client().login(username="manager", password="demo")
