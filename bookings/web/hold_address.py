"""The page that asks for an e-mail address when guests hold much of a hotel, and its letter's link.

The link leads back to the rooms, where the guest holds one as usual. Opening the link holds
nothing, since programs open links too. It works in any browser.
"""

import datetime as dt

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bookings.catalogue import inventory
from bookings.infrastructure.embedding import outside
from bookings.people import account_letters
from bookings.web import limits, visitors
from bookings.web.account_forms import AddressForm
from bookings.web.forms import SearchForm
from bookings.web.messages import HOLD_SENTENCES, LINK_IS_OVER, MAILBOX_CONFIRMED, explain
from bookings.web.script_answers import go
from bookings.web.search import stays_url


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limits.limit_posts
def hold_address(request: HttpRequest) -> HttpResponse:
    """Asks for an e-mail address, and for a letter with a link back to the stay."""
    search = SearchForm(
        request.GET, hotels=[hotel for hotel in inventory.list_hotels() if hotel.is_open]
    )
    if not search.is_valid():
        return go(
            request, reverse("home"), error=explain("VALIDATION_ERROR", instead=HOLD_SENTENCES)
        )
    form = AddressForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        back = f"{reverse('stays')}?{request.GET.urlencode()}"
        context = {
            "form": form,
            "back": back,
            "back_outside": f"{outside('stays')}?{request.GET.urlencode()}",
        }
        return render(request, "booking/hold_address.html", context, status=status)
    address = form.cleaned_data["email"]
    if left_s := limits.letter_wait_s(request, account_letters.HOLD, address):
        return limits.refuse_post(request, left_s)
    asked = search.cleaned_data
    account_letters.ask_for_letter(
        purpose=account_letters.HOLD,
        address=address,
        stay={
            "hotel": asked["hotel"],
            "arrival": asked["arrival"].isoformat(),
            "departure": asked["departure"].isoformat(),
            "guests": asked["guests"],
            "rooms": asked["rooms"],
        },
    )
    return redirect("letter_sent")


@never_cache
@require_safe
def open_hold_address(request: HttpRequest, token: str) -> HttpResponse:
    """Remembers that the visitor owns the address, and redirects to the stay without the secret."""
    opened = account_letters.open_letter(purpose=account_letters.HOLD, token=token)
    if opened is None or opened.stay is None:
        messages.error(request, LINK_IS_OVER)
        return redirect("home")
    visitors.confirm_mailbox(request, opened.address)
    messages.success(request, MAILBOX_CONFIRMED)
    stay = opened.stay
    return redirect(
        stays_url(
            hotel=stay["hotel"],
            arrival=dt.date.fromisoformat(stay["arrival"]),
            departure=dt.date.fromisoformat(stay["departure"]),
            guests=stay["guests"],
            rooms=stay["rooms"],
        )
    )
