"""Everything that happened to a booking, in words: its history, its mails and webhooks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookings.admin.actors import name_actors
from bookings.catalogue import inventory
from bookings.domain.booking import NO_SHOW, Booking, Change
from bookings.domain.money import format_money
from bookings.news.deliveries import is_again
from bookings.presentation.days import stay_text, with_days_in_words

# Each with the actor before it, or with the word "It" for what no one did.
_WORDS = {
    "blocked": "blocked {place}",
    "confirmed": "confirmed it",
    "confirmed_again": "confirmed it again",
    "extended": "held it for longer",
    "moved_again": "asked for the rooms and dates that it had",
    "changed_again": "asked for the rooms and dates that it had",
    "cancelled": "cancelled it",
    "adopted": "took it over by logging in",
    "corrected": "corrected the guest’s details",
    "edited": "changed the guest’s details",
    "edited_told": "changed the guest’s details and had the guest told",
    "checked_in": "checked the guest in",
    "checked_out": "checked the guest out",
    "no_show": "marked the guest as a no-show",
    "mark_undone": "undid the newest mark",
    "expired": "ended the hold, whose time was up",
    "erased": "erased the guest’s details",
}
_WHERE = ("created", "blocked", "moved", "changed")

NEWS_WORDS = {
    "confirmed": "that the stay is booked",
    "moved": "about the new dates or rooms",
    "cancelled": "about the cancellation",
    "corrected": "about the corrected details",
    "readdressed": "that the address was changed",
    "arriving": "about the coming arrival",
    "expiring": "that the hold ends soon",
    "expired": "that the hold has ended",
}


@dataclass(frozen=True)
class Happening:
    """One line. `again` is the id of a mail that can be sent again, "" if there is none or it
    cannot; then `why_not` says why."""

    at: datetime
    who: str
    text: str
    again: str = ""
    why_not: str = ""


def tell_history(booking: Booking, words: Mapping[str, str] = _WORDS) -> list[Happening]:
    """The lines of the history, oldest first. `words` replaces some of the usual words."""
    words = {**_WORDS, **words}
    described = [_described(change, booking) for change in booking.history]
    rooms = inventory.room_names(
        booked["resourceId"] for each in described if each for booked in each["rooms"]
    )
    names = name_actors(change.actor for change in booking.history)
    told, before = [], ""
    for change, known in zip(booking.history, described, strict=True):
        place = _place_of(known, rooms) if known else ""
        text = _say(change, known, words, before=before, place=place)
        told.append(Happening(change.at, names[change.actor], text))
        before = place or before
    return told


def tell_deliveries(
    deliveries: Iterable[Any], why_not_again: Mapping[str, str | None]
) -> list[Happening]:
    """What was sent, and what became of it. `why_not_again` has the mails of which staff may have
    another one, each with the reason why not, if there is one."""
    found = list(deliveries)
    partners = name_actors(f"client:{each.to}" for each in found if each.channel == "webhook")
    told = []
    for each in found:
        news = NEWS_WORDS.get(each.event, each.event)
        if each.channel == "webhook":
            what = f"notice to {partners[f'client:{each.to}']} {news}"
        elif each.event == "readdressed":
            what = f"mail to the guest’s former address {news}"
        else:
            what = f"mail to the guest {news}"
        if is_again(each.pk):
            what = f"{what}, again,"
        reason = why_not_again.get(each.pk, "")
        told.append(
            Happening(
                each.created_at,
                "",
                f"A {what} {_say_state(each)}",
                again=each.pk if reason is None else "",
                why_not=reason or "",
            )
        )
    return told


def _say(
    change: Change,
    known: dict[str, Any] | None,
    words: Mapping[str, str],
    *,
    before: str,
    place: str,
) -> str:
    """What the actor did, without the actor."""
    match change.event:
        case "created":
            verb = "held" if known and known["status"] == "pending" else "booked"
            agreed = f", an agreed price: {change.reason}" if change.reason else ""
            return f"{verb} {place or 'it'}{agreed}"
        case "moved" | "changed":
            verb = "moved it" if change.event == "moved" else "changed it"
            said = f" from {before}" if before and before != place else ""
            return f"{verb}{said}" + (f" to {place}" if place else "")
        case "edited" | "edited_told" if change.reason:
            said = f"changed the guest’s {change.reason}"
            return said if change.event == "edited" else f"{said}, and had the guest told"
        case "no_show" if change.body is not None:
            # The message says which nights were given back.
            message = with_days_in_words(json.loads(change.body)["message"])
            return (
                f"marked the guest as a no-show: {message}"
                if "nights" in message
                else words[NO_SHOW]
            )
    text = words.get(change.event, change.event.replace("_", " ")).format(place=place)
    return f"{text}: {change.reason}" if change.reason else text


def _described(change: Change, booking: Booking) -> dict[str, Any] | None:
    """The API's description of the booking after the change, if that may be somewhere else."""
    if change.event not in _WHERE:
        return None
    made = (
        booking.key_for(change.key)
        if change.key and change.event in ("created", "blocked")
        else None
    )
    body = made.body if made else change.body
    return json.loads(body)["booking"] if body else None


def _place_of(described: dict[str, Any], names: Mapping[str, str]) -> str:
    """`Room A, Mon 30 Nov – Wed 2 Dec 2026, EUR 200.00`."""
    rooms = ", ".join(
        names.get(booked["resourceId"], booked["resourceId"]) for booked in described["rooms"]
    )
    where = f"{rooms}, {stay_text(described['checkIn'], described['checkOut'])}"
    # A block costs nothing.
    if not described["price"]["nights"]:
        return where
    return f"{where}, {format_money(described['price']['total'], described['price']['currency'])}"


def _say_state(delivery: Any) -> str:
    tries = f" after {delivery.tries} tries" if delivery.tries > 1 else ""
    match delivery.state:
        case "sent":
            return f"was sent{tries}"
        case "not_needed":
            return f"was not needed: {delivery.last_error}".rstrip(": ")
        case "given_up":
            return f"could not be sent{tries}: {delivery.last_error}".rstrip(": ")
    if delivery.last_error:
        return f"is tried again: {delivery.last_error}"
    return "waits to be sent"
