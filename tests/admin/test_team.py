"""The team's pages: who works here, what owners change, and that one of them always remains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from pytest_django import Settings

from bookings.infrastructure.connections import collection
from bookings.infrastructure.throttles import Limit
from bookings.people import owners, sessions, staff_hotels, team
from bookings.people.roles import FRONT_DESK, MANAGER
from tests.pages import Page

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

TEAM = "/admin/team/"
USERS = "/admin/auth/user/"
SECRET = "a long secret"


@pytest.fixture
def owner(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("owner", password=SECRET))
    return client


@pytest.fixture
def ada() -> User:
    """A colleague at the front desk, who has a password."""
    user = User.objects.create_user(
        "ada", "ada@inn.example", SECRET, first_name="Ada Lovelace", is_staff=True
    )
    user.groups.add(Group.objects.get(name=FRONT_DESK))
    return user


def page_of(user: User) -> str:
    return f"{TEAM}{user.pk}/"


def seen(owner: Client, user: User) -> str:
    found: str = owner.get(page_of(user)).context["seen"]
    return found


def save(owner: Client, user: User, *roles: str, hotels: tuple[str, ...] = (), of: str = "") -> Any:
    """Sends the person's form, as seen now or `of` before."""
    form = {
        "seen": of or seen(owner, user),
        "roles": roles,
        "where": "some" if hotels else "all",
        "hotels": hotels,
    }
    return owner.post(page_of(user), form)


def press(owner: Client, user: User, button: str, of: str = "") -> str:
    """Presses a button of the person's page; returns what the next page says."""
    form = {"seen": of or seen(owner, user)}
    return text_of(owner.post(f"{page_of(user)}{button}/", form, follow=True))


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text


def state_of(user: User) -> tuple[tuple[str, ...], staff_hotels.Hotels]:
    member = team.find_member(str(user.pk))
    assert member
    return member.roles, member.hotels


def noted(user: User) -> list[str]:
    entries = LogEntry.objects.filter(object_id=str(user.pk)).order_by("action_time")
    return [entry.change_message for entry in entries]


# --- The list -----------------------------------------------------------------------------------


def test_lists_everyone_who_may_log_in(owner: Client, ada: User) -> None:
    staff_hotels.set_hotels(ada.pk, frozenset({"inn"}), before=None)
    collection("second_factors").insert_one({"_id": ada.pk})
    User.objects.create_user("guest", "guest@example.org")
    User.objects.create_user("gone", is_staff=True, is_active=False)
    owner.post(
        f"{TEAM}invite/",
        {"name": "Bob", "address": "bob@inn.example", "role": MANAGER, "where": "all"},
    )

    response = owner.get(TEAM)
    shown = {each.name: (each, told) for each, told in response.context["open"]}

    assert sorted(shown) == ["Ada Lovelace", "Bob", "owner"]
    assert [each.name for each, _ in response.context["closed"]] == ["gone"]
    member, hotels = shown["Ada Lovelace"]
    assert (member.roles, hotels, member.has_second_factor) == ((FRONT_DESK,), "Inn", True)
    assert not shown["Bob"][0].has_password
    assert shown["Bob"][1] == "all hotels"
    assert "ada@inn.example" in text_of(response)


def test_shows_a_manager_the_team_and_lets_them_change_nothing(client: Client, ada: User) -> None:
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.add(Group.objects.get(name=MANAGER))
    client.force_login(manager)

    page = client.get(page_of(ada)).content.decode()

    assert "Ada Lovelace" in text_of(client.get(TEAM))
    assert "Invite a colleague" not in text_of(client.get(TEAM))
    assert "End all sessions" not in page
    assert 'name="roles"' not in page


def test_asks_before_it_closes_an_account_and_does_not_offer_to_close_ones_own(
    owner: Client, ada: User
) -> None:
    (me,) = User.objects.filter(username="owner")

    hers, own = (owner.get(page_of(each)).content.decode() for each in (ada, me))

    # The buttons are below questions that are closed at first.
    for page, action in ((hers, "close"), (hers, "end-sessions"), (own, "end-sessions")):
        before, _, _ = page.partition(f'/{action}/"')
        assert before.rpartition("<details")[2].count("</details>") == 0
        assert "<details" in before
        assert "<details open" not in page
    assert "Yes, close the account of Ada" in hers
    assert "Close the account" not in own
    assert "This session ends as well." in own


@pytest.mark.parametrize("name", ["guest", "no-such-id", "0" * 24])
def test_knows_only_members_of_the_staff(owner: Client, name: str) -> None:
    guest = User.objects.create_user("guest")

    for path in ("", "close/", "end-sessions/"):
        url = f"{TEAM}{guest.pk if name == 'guest' else name}/{path}"
        assert owner.post(url, {"seen": ""}).status_code == 404


# --- Inviting -----------------------------------------------------------------------------------


def test_invites_a_colleague_once_however_often_the_form_is_sent(owner: Client) -> None:
    form = {
        "name": "Bob",
        "address": "bob@inn.example",
        "role": FRONT_DESK,
        "where": "some",
        "hotels": ["demo", "inn"],
    }

    answers = [owner.post(f"{TEAM}invite/", form) for _ in range(3)]

    bob = User.objects.get(email="bob@inn.example")
    assert [answer["Location"] for answer in answers] == [page_of(bob)] * 3
    assert state_of(bob) == ((FRONT_DESK,), {"demo", "inn"})
    assert collection("letters").count_documents({}) == 1
    assert len(noted(bob)) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": ""}, "address"),
        ({"address": "bob"}, "address"),
        ({"where": "some"}, "hotels"),
        ({"where": ""}, "where"),
        ({"hotels": ["inn"]}, "hotels"),
        ({"role": "owner"}, "role"),
    ],
)
def test_says_what_is_wrong_with_an_invitation(
    owner: Client, changes: dict[str, Any], field: str
) -> None:
    form = {"address": "bob@inn.example", "role": FRONT_DESK, "where": "all", **changes}

    response = owner.post(f"{TEAM}invite/", form)

    assert list(response.context["form"].errors) == [field]
    assert User.objects.count() == 1


@pytest.mark.redis
def test_sends_the_invitation_again_but_not_twice_at_once(
    owner: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_THROTTLE = "on"
    # Its window is long enough never to end between the two.
    monkeypatch.setattr(team, "INVITATIONS", Limit("invitation", 1, 10**10))
    form = {"address": "bob@inn.example", "role": FRONT_DESK, "where": "all"}
    owner.post(f"{TEAM}invite/", form)
    bob = User.objects.get(email="bob@inn.example")

    told = [press(owner, bob, "invite-again") for _ in range(2)]

    assert "goes to bob@inn.example" in told[0]
    assert "was sent just now" in told[1]
    assert collection("letters").count_documents({}) == 2


def test_sends_no_invitation_to_who_has_a_password(owner: Client, ada: User) -> None:
    assert "needs no invitation" in press(owner, ada, "invite-again")
    assert collection("letters").count_documents({}) == 0


# --- Roles and hotels ---------------------------------------------------------------------------


def test_changes_a_role_and_its_hotels_and_notes_it(owner: Client, ada: User) -> None:
    assert save(owner, ada, MANAGER, hotels=("inn",))["Location"] == page_of(ada)

    assert state_of(ada) == ((MANAGER,), {"inn"})
    assert noted(ada) == ["Roles: manager. Hotels: Inn."]

    save(owner, ada)
    assert state_of(ada) == ((), None)


def test_changes_once_when_the_form_is_sent_twice(owner: Client, ada: User) -> None:
    before = seen(owner, ada)

    answers = [save(owner, ada, MANAGER, of=before) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert len(noted(ada)) == 1


def test_refuses_what_another_owner_would_lose(owner: Client, ada: User) -> None:
    before = seen(owner, ada)
    save(owner, ada, MANAGER, hotels=("inn",))

    refused = save(owner, ada, FRONT_DESK, hotels=("demo",), of=before)
    of_now = refused.context["seen"]

    assert "Someone else has changed this" in text_of(refused)
    assert state_of(ada) == ((MANAGER,), {"inn"})
    assert save(owner, ada, FRONT_DESK, hotels=("demo",), of=of_now).status_code == 302
    assert state_of(ada) == ((FRONT_DESK,), {"demo"})


@pytest.mark.parametrize("what", ["groups", "hotels", "at once"])
def test_refuses_what_changes_while_the_form_is_judged(
    owner: Client, ada: User, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    member = team.find_member(str(ada.pk))
    assert member
    if what == "groups":
        ada.groups.add(Group.objects.get(name=MANAGER))
    if what == "hotels":
        staff_hotels.set_hotels(ada.pk, frozenset({"inn"}), before=None)
    with owners.leaving(owners.NOTHING, of=ada.pk if what == "at once" else None):
        before = state_of(ada)

        with pytest.raises((team.MemberChanged, owners.ChangedAtOnce)):
            team.change_member(member, roles=[], hotels=frozenset({"demo"}))

    assert state_of(ada) == before


def test_sets_nothing_for_an_administrator(owner: Client) -> None:
    other = User.objects.create_superuser("other", password=SECRET)

    assert save(owner, other, FRONT_DESK).status_code == 404
    assert "may do everything" in text_of(owner.get(page_of(other)))


# --- Sessions and closing -----------------------------------------------------------------------


def log_in(name: str) -> Client:
    client = Client()
    assert client.post("/login", {"username": name, "password": SECRET}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_ends_all_sessions_of_one_person(owner: Client, ada: User) -> None:
    User.objects.create_user("bob", password=SECRET, is_staff=True)
    browsers = [log_in("ada"), log_in("ada"), log_in("bob")]
    of = owner.get(page_of(ada)).context["seen_sessions"]

    told = text_of(owner.post(f"{page_of(ada)}end-sessions/", {"seen": of}, follow=True))

    assert "All sessions of Ada Lovelace have ended." in told
    assert [is_in(browser) for browser in browsers] == [False, False, True]
    assert is_in(owner)
    again = log_in("ada")
    twin = text_of(owner.post(f"{page_of(ada)}end-sessions/", {"seen": of}, follow=True))
    assert "were ended since you opened this page" in twin
    assert is_in(again)
    assert noted(ada) == ["Ended all sessions."]

    of = owner.get(page_of(ada)).context["seen_sessions"]
    owner.post(f"{page_of(ada)}end-sessions/", {"seen": of})
    once_more = log_in("ada")
    owner.post(f"{page_of(ada)}end-sessions/", {"seen": of})
    assert [is_in(again), is_in(once_more)] == [False, True]


def test_closes_an_account_with_its_sessions_and_opens_it_without_them(
    owner: Client, ada: User
) -> None:
    browser = log_in("ada")
    before = seen(owner, ada)

    assert "is closed" in press(owner, ada, "close", of=before)
    assert not is_in(browser)
    press(owner, ada, "close", of=before)
    assert "is open again" in press(owner, ada, "open")

    assert not is_in(browser)
    assert is_in(log_in("ada"))
    assert noted(ada) == ["Closed the account.", "Opened the account."]


def test_opens_an_account_without_the_session_of_a_login_during_its_closing(
    owner: Client, ada: User
) -> None:
    press(owner, ada, "close")
    browser = Client()
    browser.force_login(User.objects.get(pk=ada.pk))

    press(owner, ada, "open")

    assert not is_in(browser)


def test_does_not_close_what_someone_else_has_changed(owner: Client, ada: User) -> None:
    before = seen(owner, ada)
    save(owner, ada, MANAGER)

    assert "Someone else has changed this person" in press(owner, ada, "close", of=before)
    assert User.objects.get(pk=ada.pk).is_active


def change_account(owner: Client, user: User, **changes: Any) -> Any:
    """Sends Django's form of the account as it is now, with these changes."""
    form = owner.get(f"{USERS}{user.pk}/change/").context["adminform"].form
    sent = {
        name: value
        for name in form.fields
        if (value := form.initial.get(name)) not in (None, False, "", [])
        and name not in ("password", "last_login", "date_joined")
    }
    sent["groups"] = [group.pk for group in form.initial["groups"]]
    sent["user_permissions"] = [each.pk for each in form.initial["user_permissions"]]
    sent |= changes
    kept = {name: value for name, value in sent.items() if value not in (None, False)}
    return owner.post(f"{USERS}{user.pk}/change/", kept)


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_ends_the_sessions_of_who_is_closed_or_taken_from_the_staff(
    owner: Client, ada: User, field: str
) -> None:
    browser = log_in("ada")

    assert change_account(owner, ada, **{field: False}).status_code == 302
    assert change_account(owner, ada, **{field: "on"}).status_code == 302

    assert getattr(User.objects.get(pk=ada.pk), field)
    assert not is_in(browser)


def test_lets_sessions_go_on_when_something_else_is_changed(owner: Client, ada: User) -> None:
    browser = log_in("ada")

    assert change_account(owner, ada, first_name="Augusta").status_code == 302

    assert is_in(browser)


# --- The last owner -----------------------------------------------------------------------------


def refuses(response: Any) -> bool:
    return "This is the last account that can give rights to the staff" in text_of(response)


def test_does_not_close_the_last_owner(owner: Client) -> None:
    (me,) = User.objects.all()

    assert "This is the last account that can give rights to the staff" in press(owner, me, "close")
    assert User.objects.get().is_active


@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_does_not_take_the_last_owners_rights_on_the_page_of_the_account(
    owner: Client, field: str
) -> None:
    (me,) = User.objects.all()

    assert refuses(change_account(owner, me, **{field: False}))
    assert getattr(User.objects.get(), field)

    other = User.objects.create_superuser("other", password=SECRET)
    assert change_account(owner, other, **{field: False}).status_code == 302
    assert not getattr(User.objects.get(pk=other.pk), field)


def test_refuses_an_owner_who_was_slower_than_another(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is judged; then, before it is saved, the other one begins to leave."""
    (me,) = User.objects.all()
    other = User.objects.create_superuser("other", password=SECRET)
    with owners.leaving(owners.all_rights_of([other.pk])):
        monkeypatch.setattr(owners, "refuse", lambda loses: None)
        response = change_account(owner, me, is_superuser=False)

    assert response.status_code == 302
    assert User.objects.get(pk=me.pk).is_superuser
    assert refuses(owner.get(response["Location"]))


def test_does_not_delete_the_last_owner(owner: Client) -> None:
    (me,) = User.objects.all()
    asked = f"{USERS}{me.pk}/delete/"

    assert refuses(owner.get(asked))
    owner.post(asked, {"post": "yes"})
    owner.post(USERS, {"action": "delete_selected", "_selected_action": [me.pk], "post": "yes"})

    assert User.objects.filter(pk=me.pk).exists()
    assert collection("people").find_one({"pseudonym": {"$exists": True}}) is None


@pytest.mark.parametrize("what", ["delete", "password", "group"])
def test_refuses_what_was_allowed_a_moment_ago(
    last_changer: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Another owner begins to leave after the form was judged."""
    carl, group = User.objects.get(username="carl"), Group.objects.get(name="owners")
    other = User.objects.create_user("other", password=SECRET, is_staff=True)
    other.user_permissions.add(Permission.objects.get(codename="change_user"))
    with owners.leaving(owners.all_rights_of([other.pk])):
        monkeypatch.setattr(owners, "refuse", lambda loses: None)
        if what == "delete":
            last_changer.post(f"{USERS}{carl.pk}/delete/", {"post": "yes"})
        elif what == "password":
            form = {"usable_password": "false", "unset-password": "x"}
            last_changer.post(f"{USERS}{carl.pk}/password/", form)
        else:
            form = {"name": "owners", "permissions": []}
            last_changer.post(f"/admin/auth/group/{group.pk}/change/", form)

    assert User.objects.get(pk=carl.pk).has_usable_password()
    assert group.permissions.filter(codename="change_user").exists()


def test_deletes_one_owner_of_two_but_not_both(owner: Client) -> None:
    (me,) = User.objects.all()
    other = User.objects.create_superuser("other", password=SECRET)
    both = {"action": "delete_selected", "_selected_action": [me.pk, other.pk], "post": "yes"}

    owner.post(USERS, both)
    assert User.objects.count() == 2

    owner.post(USERS, {**both, "_selected_action": [other.pk]})
    assert User.objects.get() == me


@pytest.mark.parametrize("is_quicker", [True, False])
def test_does_not_let_the_last_owner_lose_the_password(owner: Client, is_quicker: bool) -> None:
    (me,) = User.objects.all()
    if not is_quicker:
        User.objects.create_superuser("other", password=SECRET)

    owner.post(f"{USERS}{me.pk}/password/", {"usable_password": "false", "unset-password": "x"})

    assert User.objects.get(pk=me.pk).has_usable_password() == is_quicker


@pytest.fixture
def last_changer(client: Client) -> Iterator[Client]:
    """A site without administrators, where one person may change users, by a group."""
    group = Group.objects.create(name="owners")
    rights = Permission.objects.filter(content_type__app_label="auth")
    group.permissions.set(rights)
    user = User.objects.create_user("carl", password=SECRET, is_staff=True)
    user.groups.add(group)
    client.force_login(user)
    yield client
    Group.objects.filter(name="owners").delete()


def test_keeps_the_group_that_gives_the_last_person_the_right(last_changer: Client) -> None:
    group = Group.objects.get(name="owners")
    page = f"/admin/auth/group/{group.pk}/"

    assert refuses(last_changer.post(f"{page}change/", {"name": "owners", "permissions": []}))
    assert refuses(last_changer.get(f"{page}delete/"))
    last_changer.post(f"{page}delete/", {"post": "yes"})
    kept = [permission.pk for permission in group.permissions.all()]
    renamed = last_changer.post(f"{page}change/", {"name": "owners", "permissions": kept})

    assert len(kept) > 4
    assert renamed.status_code == 302
    assert Group.objects.filter(name="owners").exists()


def test_keeps_the_role_and_all_hotels_of_the_last_person_with_the_right(
    last_changer: Client,
) -> None:
    carl = User.objects.get(username="carl")

    assert refuses(save(last_changer, carl))
    assert refuses(save(last_changer, carl, "owners", hotels=("inn",)))
    assert state_of(carl) == (("owners",), None)

    other = User.objects.create_user("other", password=SECRET, is_staff=True)
    other.groups.add(Group.objects.get(name="owners"))
    assert save(last_changer, other).status_code == 302


def test_ends_nothing_when_a_closing_is_refused(owner: Client) -> None:
    (me,) = User.objects.all()
    press(owner, me, "close")

    assert sessions.read_stamp(me.pk) == ""
