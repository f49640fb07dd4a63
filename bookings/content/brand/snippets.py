"""What a hotel copies into its own website: a link, a button, and a form with dates."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext as _

from bookings.content.brand import colours
from bookings.content.brand.reading import BrandFacts
from bookings.domain.stay_request import MAX_GUESTS

# What the site comes with (static/site.css).
_GREEN = "#1a625e"


@dataclass(frozen=True)
class Snippet:
    """A piece of HTML to copy, and what it is."""

    title: str
    html: str

    @property
    def rows(self) -> int:
        """How many lines it has, and some room for those that are wrapped."""
        return self.html.count("\n") + 2


def book_now_url(hotel_id: str) -> str:
    """The address that books at the hotel."""
    return settings.SITE_URL + reverse("book_now", args=[hotel_id])


def write_snippets(hotel_id: str, language: str, brand: BrandFacts) -> list[Snippet]:
    """The snippets for a hotel, in a language of the site."""
    url = book_now_url(hotel_id)
    shades = colours.shades_of(brand.accent or _GREEN).light
    with translation.override(language):
        link = format_html('<a href="{}?lang={}">{}</a>\n', url, language, _("Book now"))
        button = format_html(
            "<style>\n"
            ".book-now {{ display: inline-block; padding: 0.75em 1.5em; border-radius: 0.5em; "
            "color: {}; background: {}; border: 1px solid {}; text-decoration: none; }}\n"
            "</style>\n"
            '<a class="book-now" href="{}?lang={}">{}</a>\n',
            *(shades.on_fill, shades.fill, shades.line),
            *(url, language, _("Book now")),
        )
        form = format_html(
            '<form method="get" action="{}" class="book-now-form">\n'
            '  <label>{} <input type="date" name="arrival" required></label>\n'
            '  <label>{} <input type="date" name="departure" required></label>\n'
            '  <label>{} <input type="number" name="guests" value="2" min="1" max="{}"></label>\n'
            '  <input type="hidden" name="lang" value="{}">\n'
            '  <button type="submit">{}</button>\n'
            "</form>\n",
            *(url, _("Arrival"), _("Departure"), _("Guests"), MAX_GUESTS),
            *(language, _("Show rooms")),
        )
    return [
        Snippet("A link", link),
        Snippet("A button", button),
        Snippet("A form with dates", form),
    ]
