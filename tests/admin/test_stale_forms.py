"""Two desks with one form of the admin: the later one does not undo the earlier one's change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client

from bookings.admin.nights import NightForm
from bookings.models import ApiClient, Hotel, Night, Room, RoomCategory, WebhookEndpoint
from tests.hotels import put_night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

STALE = "Someone else has changed this while you were editing, and nothing was saved yet."


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def a_night() -> Night:
    put_night("inn_double", "2027-03-01")
    return Night.objects.get(pk="inn_double|2027-03-01")


def an_endpoint() -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(
        client=ApiClient.objects.create(name="Partner"),
        url="https://partner.example/hook",
        secret_made_at=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
    )


def test_refuses_a_form_that_is_overtaken_while_it_is_judged(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = a_night()
    sent = fill(desk, page_of(night))
    read = ModelAdmin.get_object
    reads: list[str] = []

    def read_and_be_overtaken(*args: Any) -> Any:
        found = read(*args)
        if not reads:
            Night.objects.filter(pk=night.pk).update(price=99_000)
        reads.append("night")
        return found

    monkeypatch.setattr(ModelAdmin, "get_object", read_and_be_overtaken)
    answer = desk.post(page_of(night), {**sent, "min_stay": "2"})

    night.refresh_from_db()
    assert (night.price, night.min_stay) == (99_000, 1)
    assert STALE in answer.content.decode()
    assert answer.context["adminform"].form["min_stay"].value() == "2"
    # Saved once more, it is judged against what is stored now.
    desk.post(page_of(night), {**sent, "shown": answer.context["shown"], "min_stay": "2"})
    night.refresh_from_db()
    assert night.min_stay == 2


def test_refuses_a_form_without_a_digest_that_is_overtaken_while_it_is_judged(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one of a program, which says nothing of what it has seen."""
    night = a_night()
    sent = {name: value for name, value in fill(desk, page_of(night)).items() if name != "shown"}
    judge = NightForm.clean

    def change_then(self: NightForm) -> None:
        monkeypatch.setattr(NightForm, "clean", judge)
        judge(self)
        Night.objects.filter(pk=night.pk).update(price=99_000)

    monkeypatch.setattr(NightForm, "clean", change_then)
    answer = desk.post(page_of(night), {**sent, "min_stay": "2"})

    assert STALE in answer.content.decode()
    night.refresh_from_db()
    assert (night.price, night.min_stay) == (99_000, 1)


# The object, one desk's change, and the other desk's change in the form that it opened before.
OBJECTS: list[tuple[Callable[[], Model], dict[str, Any], dict[str, str]]] = [
    (lambda: Hotel.objects.get(pk="inn"), {"hold_minutes": 20}, {"name": "Renamed"}),
    (
        lambda: RoomCategory.objects.get(pk="inn_double"),
        {"default_price": 30_000},
        {"name": "Renamed"},
    ),
    (lambda: Room.objects.get(pk="inn_A"), {"is_sold": False}, {"name": "Renamed"}),
    (a_night, {"price": 99_000}, {"min_stay": "2"}),
    (lambda: ApiClient.objects.create(name="P"), {"is_active": False}, {"name": "Renamed"}),
    (an_endpoint, {"is_active": False}, {"url": "https://other.example/hook"}),
    (lambda: User.objects.create_user("u"), {"is_active": False}, {"first_name": "Ada"}),
    (lambda: Group.objects.create(name="g"), {"name": "h"}, {"name": "i"}),
]


def page_of(obj: Model) -> str:
    meta = obj._meta
    return f"/admin/{meta.app_label}/{meta.model_name}/{str(obj.pk).replace('|', '%7C')}/change/"


def fill(desk: Client, address: str) -> dict[str, str]:
    """Returns the fields that a browser would send for the form as shown."""
    page = desk.get(address)
    context = page.context
    sent = {"shown": context.get("shown", "")}
    assert f'<input type="hidden" name="shown" value="{sent["shown"]}">' in page.content.decode()
    for bound in context["adminform"].form:
        value = bound.value()
        if isinstance(value, dt.datetime):
            sent |= {f"{bound.name}_0": f"{value:%Y-%m-%d}", f"{bound.name}_1": f"{value:%H:%M:%S}"}
        elif value is not None and value is not False and value != []:
            sent[bound.name] = "on" if value is True else value
    return sent


@pytest.mark.parametrize(
    ("make", "change", "typed"), OBJECTS, ids=[min(change) for _, change, _ in OBJECTS]
)
def test_saves_nothing_over_what_changed_since_it_was_opened(
    desk: Client, make: Callable[[], Model], change: dict[str, Any], typed: dict[str, str]
) -> None:
    obj = make()
    these = type(obj)._default_manager.filter(pk=obj.pk)
    sent = fill(desk, page_of(obj))
    these.update(**change)
    before = these.values().get()

    answer = desk.post(page_of(obj), {**sent, **typed})

    assert STALE in answer.content.decode()
    assert these.values().get() == before
    form = answer.context["adminform"].form
    assert {name: form[name].value() for name in typed} == typed
    (fault,) = form.non_field_errors()
    differs = {str(form[name].label) for name in {**change, **typed}}
    assert set(fault.partition("These differ: ")[2].rstrip(".").split(", ")) == differs
    # Saved once more from the page shown then, what was typed counts.
    again = desk.post(page_of(obj), {**sent, **typed, "shown": answer.context["shown"]})
    assert again.status_code == 302, again.context["adminform"].form.errors
    changed = {name: str(getattr(these.get(), name)) for name in typed}
    assert changed == typed


def test_saves_nothing_over_what_changed_again_after_the_form_was_shown_again(desk: Client) -> None:
    night = a_night()
    sent = {**fill(desk, page_of(night)), "min_stay": "2"}
    Night.objects.filter(pk=night.pk).update(price=99_000)
    shown = desk.post(page_of(night), sent).context["shown"]
    Night.objects.filter(pk=night.pk).update(price=98_000)

    answer = desk.post(page_of(night), {**sent, "shown": shown})

    assert STALE in answer.content.decode()
    assert Night.objects.get(pk=night.pk).price == 98_000


def test_takes_a_form_that_was_sent_twice_as_saved(desk: Client) -> None:
    night = a_night()
    sent = {**fill(desk, page_of(night)), "min_stay": "2"}

    answers = [desk.post(page_of(night), sent).status_code for _ in range(2)]

    assert answers == [302, 302]
    assert Night.objects.get(pk=night.pk).min_stay == 2


def test_shows_its_faults_and_can_be_sent_again(desk: Client) -> None:
    night = a_night()
    sent = fill(desk, page_of(night))

    faulty = desk.post(page_of(night), {**sent, "min_stay": "0"})
    shown = faulty.context["shown"]
    desk.post(page_of(night), {**sent, "shown": shown, "min_stay": "3"})

    assert faulty.context["adminform"].form.errors
    assert Night.objects.get(pk=night.pk).min_stay == 3


def test_keeps_what_came_between_a_form_with_faults_and_the_next(desk: Client) -> None:
    night = a_night()
    sent = fill(desk, page_of(night))
    shown = desk.post(page_of(night), {**sent, "min_stay": "0"}).context["shown"]
    Night.objects.filter(pk=night.pk).update(price=99_000)

    answer = desk.post(page_of(night), {**sent, "shown": shown, "min_stay": "3"})

    assert STALE in answer.content.decode()
    assert Night.objects.get(pk=night.pk).price == 99_000


def test_tells_a_page_nothing_of_a_password(desk: Client) -> None:
    user = User.objects.create_user("u")
    shown = desk.get(page_of(user)).context["shown"]
    user.set_password("another-long-password")
    user.save()

    assert desk.get(page_of(user)).context["shown"] == shown


def test_leaves_out_when_somebody_logged_in(desk: Client) -> None:
    user = User.objects.create_user("u")
    sent = fill(desk, page_of(user))
    logged_in_at = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    User.objects.filter(pk=user.pk).update(last_login=logged_in_at)

    desk.post(page_of(user), {**sent, "first_name": "Ada"})

    user = User.objects.get(pk=user.pk)
    assert (user.first_name, user.last_login) == ("Ada", logged_in_at)
