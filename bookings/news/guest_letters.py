"""What a mail to a guest says, once for its text and its HTML: sentences, facts and a link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import translation
from django.utils.formats import time_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings.catalogue.inventory import HotelFacts
from bookings.content.markdown import lines_of, render_markdown
from bookings.content.reading import AboutHotel
from bookings.content.wording import Texts, word
from bookings.domain.booking import CANCELLED, CHANGED, CONFIRMED, EXPIRED, Booking
from bookings.domain.email_addresses import mask_address
from bookings.domain.money import format_money
from bookings.infrastructure.mail import link_to
from bookings.presentation.days import long_day_text
from bookings.presentation.moments import time_text
from bookings.stays import manage_links
from bookings.stays.cancellation_rule import describe_cancellation
from bookings.stays.notices import (
    NEWS_ARRIVING,
    NEWS_CANCELLED,
    NEWS_CONFIRMED,
    NEWS_CORRECTED,
    NEWS_EXPIRED,
    NEWS_EXPIRING,
    NEWS_MOVED,
)


@dataclass(frozen=True)
class Fact:
    """One thing to know. `html` is safe HTML that says the value, and `url` where it leads."""

    label: str
    value: str
    url: str = ""
    html: str = ""


@dataclass(frozen=True)
class GuestLetter:
    """A mail before it has a form. `opening` comes before the facts, `closing` after them."""

    subject: str
    greeting: str
    opening: tuple[str, ...]
    facts: tuple[Fact, ...]
    closing: tuple[str, ...]
    link_sentence: str = ""
    link: str = ""
    link_name: str = ""


def write_letter(
    event: str,
    booking: Booking,
    *,
    hotel: HotelFacts,
    about: AboutHotel,
    rooms: Sequence[str],
    now: datetime,
) -> GuestLetter:
    """The letter about this event, in the active language. `rooms` are the names for guests."""
    is_held = booking.status_at(now) not in (CONFIRMED, CANCELLED, EXPIRED)
    opening, closing = _sentences(event, booking, hotel, is_held=is_held)
    facts = _stay_facts(booking, hotel, rooms)
    if event == NEWS_EXPIRED:
        link_sentence = _("If you’d still like to come, search for a room again:")
        link, link_name = link_to("home"), _("Search for another room")
    else:
        link = link_to("manage", manage_links.make_link_token(str(booking.id), booking.check_out))
        link_name = _("Open your hold") if is_held else _("Open your booking")
        if event == NEWS_CANCELLED:
            link_sentence = _("You can still view it here:")
        elif is_held:
            link_sentence = _("Open your hold with this link. Keep it private:")
        else:
            link_sentence = _("Open your booking with this link. Keep it private:")
    if event not in (NEWS_CANCELLED, NEWS_EXPIRED):
        rule = describe_cancellation(hotel, booking.check_in, now=now)
        facts += [Fact(_("Cancellation"), rule), *_facts_about(about)]
    return GuestLetter(
        subject=str(_subject_of(event, booking))
        % {"hotel": hotel.name, "reference": booking.reference},
        greeting=_("Hello %(name)s,") % {"name": booking.guest.name}
        if booking.guest.name
        else _("Hello,"),
        opening=opening,
        facts=tuple(facts),
        closing=closing,
        link_sentence=link_sentence,
        link=link,
        link_name=link_name,
    )


def write_farewell(booking: Booking, *, hotel: HotelFacts, about: AboutHotel) -> GuestLetter:
    """The letter to an address that is no longer that of the booking, in the active language.

    The person who reads it may be a stranger to the stay, and so may the one who changed it. So it
    has neither the link nor what was typed, apart from the new address, which is masked.
    """
    contact = [Fact(_("Reference"), booking.reference), Fact(_("Hotel"), hotel.name)]
    return GuestLetter(
        subject=_("The e-mail address was changed: %(hotel)s, %(reference)s")
        % {"hotel": hotel.name, "reference": booking.reference},
        greeting=_("Hello,"),
        opening=(
            _(
                "The e-mail address of this booking was changed to %(address)s. Further mails "
                "about it go there."
            )
            % {"address": mask_address(booking.guest.email)},
        ),
        facts=(*contact, *_contact_facts(about)),
        closing=(_("If you didn’t change it, please contact the hotel."),),
    )


def _sentences(
    event: str, booking: Booking, hotel: HotelFacts, *, is_held: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    match event:
        case "confirmed":
            return (_("Your stay is booked."),), ()
        case "moved":
            return (_say_who_moved(booking, is_held=is_held),), ()
        case "corrected":
            return (_("The details of your booking were changed. They are now:"),), (
                _("If you didn’t change them, please contact the hotel."),
            )
        case "arriving":
            return (_("Your stay is near, and we look forward to it. Here is all you need:"),), ()
        case "cancelled" if booking.was_booked:
            return (_("Your booking has been cancelled. You don’t need to do anything else."),), ()
        case "cancelled":
            return (_("Your hold has been released. You don’t need to do anything else."),), ()
        case "expired":
            return (
                _("Your hold expired before it was confirmed, so this stay is not booked:"),
            ), ()
    assert booking.expires_at is not None, "a hold has an end"
    sentence = _(
        "The hotel is holding this stay for you until %(until)s, local time at the hotel. It is "
        "not booked yet: to book it, confirm it before then on the page where you started."
    )
    until = time_text(booking.expires_at, hotel.time_zone)
    return (sentence % {"until": until},), ()


def _say_who_moved(booking: Booking, *, is_held: bool) -> str:
    moves = [change.event for change in booking.history if change.event in ("moved", CHANGED)]
    if moves[-1] == CHANGED:
        if is_held:
            return _("Your hold has been changed. Here are the new details:")
        return _("Your booking has been changed. Here are the new details:")
    if is_held:
        return _("The hotel has changed your hold. Here are the new details:")
    return _("The hotel has changed your booking. Here are the new details:")


def _stay_facts(booking: Booking, hotel: HotelFacts, rooms: Sequence[str]) -> list[Fact]:
    guest = booking.guest
    arrival = _("%(day)s, from %(time)s") % {
        "day": long_day_text(booking.check_in),
        "time": time_format(hotel.check_in_time, _("H:i")),
    }
    departure = _("%(day)s, until %(time)s") % {
        "day": long_day_text(booking.check_out),
        "time": time_format(hotel.check_out_time, _("H:i")),
    }
    nights = (booking.check_out - booking.check_in).days
    facts = [
        Fact(_("Reference"), booking.reference),
        Fact(_("Name"), guest.name),
        Fact(_("Phone"), guest.phone),
        Fact(_("Hotel"), hotel.name),
        Fact(_("Arrival"), arrival),
        Fact(_("Departure"), departure),
        Fact(
            _("Stay"),
            ngettext("%(count)s night", "%(count)s nights", nights) % {"count": nights},
        ),
        *(Fact(ngettext("Room", "Rooms", 1), room) for room in rooms),
        Fact(_("Guests"), str(booking.guests)),
        Fact(_("Price"), format_money(booking.price.total, booking.price.currency)),
        Fact(_("Your requests"), booking.notes),
    ]
    return [fact for fact in facts if fact.value]


def _facts_about(about: AboutHotel) -> list[Fact]:
    """How to find and reach the hotel, as far as its owner has written that."""
    facts = [
        Fact(_("Address"), about.address),
        Fact(_("Map"), about.map_url, url=about.map_url),
        _written(_("How to find us"), about.directions),
        _written(_("Arrival and departure"), about.arrival),
        *_contact_facts(about),
    ]
    if word(about.terms, translation.get_language() or ""):
        terms = link_to("legal", about.hotel, "terms")
        facts.append(Fact(_("Terms and conditions"), terms, url=terms))
    return [fact for fact in facts if fact.value]


def _contact_facts(about: AboutHotel) -> list[Fact]:
    """The hotel's telephone and e-mail address, as far as its owner has written them."""
    facts = [
        Fact(_("Telephone"), about.phone, url=f"tel:{about.phone.replace(' ', '')}"),
        Fact(_("E-mail"), about.email, url=f"mailto:{about.email}"),
    ]
    return [fact for fact in facts if fact.value]


def _written(label: str, texts: Texts) -> Fact:
    """A text of the owner's: in plain lines, and as HTML."""
    wording = word(texts, translation.get_language() or "")
    if wording is None:
        return Fact(label, "")
    return Fact(label, lines_of(wording.text), html=render_markdown(wording.text))


def _subject_of(event: str, booking: Booking) -> Promise:
    if event == NEWS_CANCELLED and not booking.was_booked:
        return _HOLD_RELEASED
    return _SUBJECTS[event]


# Translated when a mail is written, into its guest's language.
_HOLD_RELEASED = gettext_lazy("Hold released: %(hotel)s, %(reference)s")
_SUBJECTS: dict[str, Promise] = {
    NEWS_CONFIRMED: gettext_lazy("Booked: %(hotel)s, %(reference)s"),
    NEWS_MOVED: gettext_lazy("Changed: %(hotel)s, %(reference)s"),
    NEWS_CORRECTED: gettext_lazy("Your details were changed: %(hotel)s, %(reference)s"),
    NEWS_ARRIVING: gettext_lazy("Your stay is near: %(hotel)s, %(reference)s"),
    NEWS_CANCELLED: gettext_lazy("Cancelled: %(hotel)s, %(reference)s"),
    NEWS_EXPIRING: gettext_lazy("Your hold expires soon: %(hotel)s, %(reference)s"),
    NEWS_EXPIRED: gettext_lazy("Your hold has expired: %(hotel)s, %(reference)s"),
}
