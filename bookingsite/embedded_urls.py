"""The URLs of the site for requests under /embedded/: the pages that may be framed are there, and
all others where they always are, so that pages in a frame can link to them.

A request for another path never gets here, so a page that is not in FRAMED is never in a frame.
"""

from typing import Any

from django.urls import URLPattern, include, path

from bookings.infrastructure.embedding import PREFIX
from bookings.web import urls as web
from bookingsite import urls

# Searching, booking, and the guest's own bookings.
FRAMED = (
    *("home", "hotel", "legal", "book_now", "stays", "month"),
    *("hold", "hold_address", "letter_sent"),
    *("bookings", "forget", "booking", "confirm", "extend", "cancel", "stay_file", "manage"),
    *("change", "details"),
    "choose_language",
)


_site: list[Any] = urls.urlpatterns


def _is_framed(pattern: URLPattern) -> bool:
    return pattern.name in FRAMED


urlpatterns: list[Any] = [
    path(PREFIX[1:], include([each for each in web.urlpatterns if _is_framed(each)])),
    *(each for each in _site if str(each.pattern)),
    *(each for each in web.urlpatterns if not _is_framed(each)),
]

handler400 = urls.handler400
handler403 = urls.handler403
handler404 = urls.handler404
handler500 = urls.handler500
