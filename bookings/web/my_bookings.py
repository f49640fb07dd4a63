"""The list of a visitor's own bookings."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings.infrastructure import clock
from bookings.stays import own_bookings
from bookings.web import limits, visitors
from bookings.web.forms import ListForm
from bookings.web.messages import FORGOTTEN
from bookings.web.presentation import show_bookings


@never_cache
@require_safe
def my_bookings(request: HttpRequest) -> HttpResponse:
    """Lists the bookings of the visitor's account or browser, newest first."""
    form = ListForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        status = form.cleaned_data["status"]
        found, cursor = own_bookings.list_own_bookings(
            viewer=visitors.caller_of(request),
            status=status or None,
            cursor=form.cleaned_data["cursor"],
        )
        visitors.adopt_late(request, found)
        context["bookings"] = show_bookings(found, now=clock.now())
        if cursor:
            context["older_url"] = _url(status=status, cursor=cursor)
        if form.cleaned_data["cursor"]:
            context["newest_url"] = _url(status=status)
    return render(request, "booking/bookings.html", context, status=400 if form.errors else 200)


@never_cache
@require_POST
@limits.limit_posts
def forget(request: HttpRequest) -> HttpResponse:
    """Forgets this browser's guest, for people at a shared computer."""
    if not request.user.is_authenticated:
        request.session.flush()
    visitors.adopt_rest(request)
    messages.success(request, FORGOTTEN)
    response = HttpResponseRedirect(reverse("home"))
    visitors.forget_guest(response)
    return response


def _url(**query: str) -> str:
    given = {name: value for name, value in query.items() if value}
    return reverse("bookings") + (f"?{urlencode(given)}" if given else "")
