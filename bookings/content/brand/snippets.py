"""What a hotel copies into its own website: a link, a button, and a form with dates."""

from dataclasses import dataclass

from django.conf import settings
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext as _

from bookings.content.brand import colours
from bookings.content.brand.reading import BrandFacts
from bookings.domain.stay_request import MAX_GUESTS
from bookings.infrastructure.embedding import inside, outside

# What the site comes with (static/site.css).
_GREEN = "#1a625e"


# Without the digest that other files have in production: it is part of other people's pages.
EMBED_SCRIPT = "/static/embed.js"


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
    return settings.SITE_URL + outside("book_now", hotel_id)


def write_frame(hotel_id: str, language: str) -> str:
    """The frame with the hotel's pages, and the script that fits its height."""
    path = f"{inside('book_now', hotel_id)}?lang={language}"
    with translation.override(language):
        return format_html(
            '<iframe class="bookings-frame" src="{site}{path}" title="{title}"\n'
            '  style="width: 100%; height: 900px; border: 0"></iframe>\n'
            '<script src="{site}{script}" async></script>\n',
            site=settings.SITE_URL,
            path=path,
            title=_("Book now"),
            script=EMBED_SCRIPT,
        )


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
