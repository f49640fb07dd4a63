"""The language switch. Until a visitor chooses, the browser's preference applies.

The choice is Django's own cookie, which `bookingsite.middleware.LanguageMiddleware` reads. It also
reads the parameter `lang` of a URL, so that each language of a page has a URL of its own.
"""

import re
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

_COOKIE_AGE = timedelta(days=400)  # the longest that browsers keep one

# The parameter of a URL that chooses the language of a page.
CHOICE = "lang"
_IN_QUERY = re.compile(rf"(?:\A|&){CHOICE}=([a-z-]{{2,12}})(?:&|\Z)")

# These URLs accept only a POST or serve a file, so the switch leads on to a page instead.
_OF_A_BOOKING = ("confirm", "extend", "cancel", "stay_file")
_OF_NO_BOOKING = ("hold", "forget", "logout", "choose_language")


@csrf_exempt
@never_cache
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Stores the language and shows the same page again.

    It needs no CSRF token: the worst that another site could do is switch a visitor to German. So
    it also works on pages that are answered before a token exists.
    """
    response = HttpResponseRedirect(_page_of(request))
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        keep_choice(response, language)
    return response


def keep_choice(response: HttpResponseBase, language: str) -> None:
    """Has the browser ask for this language from now on."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=int(_COOKIE_AGE.total_seconds()),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def chosen_in_url(request: HttpRequest) -> str | None:
    """The language of the site that the URL names, or None."""
    found = _IN_QUERY.search(request.META.get("QUERY_STRING", ""))
    return found[1] if found and found[1] in dict(settings.LANGUAGES) else None


def page_in(path: str, language: str) -> str:
    """The path of a page in this language; without a parameter for the site's own language."""
    return path if language == settings.LANGUAGE_CODE else f"{path}?{CHOICE}={language}"


def _page_of(request: HttpRequest) -> str:
    """The page with the form, if it belongs to this site; else the home page."""
    target = request.POST.get("next", "")
    is_here = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not is_here or not target.startswith("/"):
        return reverse("home")
    target = _without_choice(target)
    try:
        match = resolve(urlsplit(target).path)
    except Resolver404:
        return target  # the page says in the new language that it was not found
    if match.url_name in _OF_A_BOOKING:
        return reverse("booking", kwargs=match.kwargs)
    return reverse("home") if match.url_name in _OF_NO_BOOKING else target


def _without_choice(target: str) -> str:
    """The URL without a language of its own, which would win over the one that was chosen."""
    path, _, query = target.partition("?")
    rest = "&".join(part for part in query.split("&") if part.partition("=")[0] != CHOICE)
    return f"{path}?{rest}" if rest else path
