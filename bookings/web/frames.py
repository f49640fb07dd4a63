"""What a page inside a frame says about pages outside of it."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from bookings.infrastructure.embedding import outside
from bookings.web.forms import SearchForm

# As long as the values of a search are.
_MAX_LENGTH = 64


def tab_url(request: HttpRequest) -> str:
    """Where the guest of a frame goes on in a tab of its own: the same page or the same search.

    It is for browsers that keep no cookies in a frame, in which nothing was booked.
    """
    match = request.resolver_match
    name = match.url_name if match else None
    if request.method == "POST":
        # The form of a room has the search that found it.
        asked = _search_of(request.POST) if name == "hold" else {}
        return f"{outside('stays')}?{urlencode(asked)}" if asked else outside("home")
    if match is None or name not in ("home", "hotel", "legal", "stays", "month"):
        return outside("home")
    path = outside(name, *match.kwargs.values())
    query = request.META.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def _search_of(posted: Any) -> dict[str, str]:
    return {
        name: text[:_MAX_LENGTH]
        for name in SearchForm.base_fields
        if (text := posted.get(name, ""))
    }
