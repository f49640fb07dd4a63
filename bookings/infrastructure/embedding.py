"""Whether a request is for a page inside a frame of another website, and addresses outside of it.

Pages that may be framed have addresses of their own, under PREFIX, which a URL configuration of
their own knows. While a request for one of them is answered, `reverse` and `{% url %}` lead to
those addresses, and to all other pages as everywhere (bookingsite/embedded_urls.py).
"""

from typing import Any

from django.conf import settings
from django.urls import get_urlconf, reverse

PREFIX = "/embedded/"
URLCONF = "bookingsite.embedded_urls"


def is_embedded() -> bool:
    """Whether the pages of this request are inside a frame."""
    return get_urlconf() == URLCONF


def inside(name: str, *arguments: Any) -> str:
    """The path of a page inside of a frame."""
    return reverse(name, urlconf=URLCONF, args=arguments)


def outside(name: str, *arguments: Any) -> str:
    """The path of a page outside of any frame: for mails, search engines and new tabs."""
    return reverse(name, urlconf=settings.ROOT_URLCONF, args=arguments)
