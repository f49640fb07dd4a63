"""Two-factor login for staff: asking for a code, and setting up a device.

bookingsite/staff.py sends people here who have a device but have not entered a code in this
session, and people who must set up a device. Each session of a person is asked separately.
"""

from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from bookings.admin.manager.pages import note
from bookings.admin.staff_requests import StaffRequest
from bookings.infrastructure.seals import SealBroken
from bookings.people import second_factor
from bookings.refusals import Throttled

# The session's key for the name of the proved device, so that a new device is asked for again.
PROVED = "second_factor"

# The session's key for the sealed secret of the device being set up.
_BEGUN = "second_factor_begun"

WRONG = "This code is wrong or was used before. Wait for the next one and type that."
TOO_MANY = "Too many wrong codes. Wait {left_s} seconds, then type a new one."
UNREADABLE = "The site's secret key has changed, so your app's codes fail; use a recovery code."

_show_or_take = require_http_methods(["GET", "HEAD", "POST"])


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "class": "vTextField"}
        ),
        error_messages={"required": "Type the code that your app shows."},
    )

    def show_throttled(self, refusal: Throttled) -> int:
        """Shows how long to wait. Returns the HTTP status of the refusal."""
        self.add_error("code", TOO_MANY.format(left_s=refusal.retry_after_s))
        return refusal.status


@sensitive_post_parameters()
@_show_or_take
def ask(request: HttpRequest) -> HttpResponse:
    """The second step of the login: a code of the device, or a recovery code."""
    user_id = request.user.pk
    factor = second_factor.find_factor(user_id)
    if factor is None:
        return HttpResponseRedirect(reverse("second_factor:device"))
    if request.session.get(PROVED) == factor.device:
        return HttpResponseRedirect(_next_of(request))
    form, status = CodeForm(request.POST if request.method == "POST" else None), 200
    if form.is_valid():
        try:
            if device := second_factor.prove(user_id, form.cleaned_data["code"]):
                _remember(request, device)
                return HttpResponseRedirect(_next_of(request))
            form.add_error("code", WRONG)
        except Throttled as refusal:
            status = form.show_throttled(refusal)
        except SealBroken:
            form.add_error("code", UNREADABLE)
    context = {"form": form, "next": _next_of(request)}
    return _show(request, "ask.html", "One more step", status=status, **context)


@sensitive_post_parameters()
@_show_or_take
def device(request: StaffRequest) -> HttpResponse:
    """Sets up a device. If there is one, removes it or makes new recovery codes."""
    factor = second_factor.find_factor(request.user.pk)
    return _set_up(request) if factor is None else _change(request, factor)


def _set_up(request: StaffRequest) -> HttpResponse:
    user = request.user
    sealed, secret = _begun(request)
    form, status = CodeForm(request.POST if request.method == "POST" else None), 200
    if form.is_valid():
        try:
            if done := second_factor.confirm_set_up(user.pk, sealed, form.cleaned_data["code"]):
                factor, codes = done
                del request.session[_BEGUN]
                _remember(request, factor.device)
                note(request, "Set up two-factor login.", about=user)
                return _show_codes(request, codes)
            form.add_error("code", WRONG)
        except Throttled as refusal:
            status = form.show_throttled(refusal)
    uri = second_factor.provisioning_uri(
        secret, account=user.get_username(), issuer=str(admin.site.site_header)
    )
    context = {
        "form": form,
        "picture": segno.make(uri, error="m").svg_inline(scale=5, light="#fff"),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "uri": uri,
        "is_required": settings.STAFF_SECOND_FACTOR == "required",
    }
    return _show(request, "set_up.html", "Set up two-factor login", status=status, **context)


def _begun(request: HttpRequest) -> tuple[str, str]:
    """The secret being set up, sealed and open; it stays the same until it is confirmed."""
    sealed = request.session.get(_BEGUN) or second_factor.new_secret()
    try:
        secret = second_factor.open_secret(sealed)
    except SealBroken:
        sealed = second_factor.new_secret()
        secret = second_factor.open_secret(sealed)
    request.session[_BEGUN] = sealed
    return sealed, secret


def _change(request: StaffRequest, factor: second_factor.SecondFactor) -> HttpResponse:
    """Asks for a new code each time, so that a session left open cannot remove the device."""
    user = request.user
    form, status = CodeForm(request.POST if request.method == "POST" else None), 200
    if form.is_valid():
        try:
            if second_factor.prove(user.pk, form.cleaned_data["code"]):
                if "remove" in request.POST:
                    second_factor.remove_factor(user.pk)
                    note(request, "Removed two-factor login.", about=user)
                    return HttpResponseRedirect(reverse("admin:index"))
                codes = second_factor.renew_recovery_codes(user.pk)
                note(request, "Made new recovery codes.", about=user)
                return _show_codes(request, codes)
            form.add_error("code", WRONG)
        except Throttled as refusal:
            status = form.show_throttled(refusal)
        except SealBroken:
            form.add_error("code", UNREADABLE)
    context = {"form": form, "factor": factor}
    return _show(request, "device.html", "Two-factor login", status=status, **context)


def _remember(request: HttpRequest, device_name: str) -> None:
    """Gives the session a new key, so that a cookie seen before the code opens nothing."""
    request.session.cycle_key()
    request.session[PROVED] = device_name


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Shows the codes in this answer: a redirect or a message would store them somewhere."""
    return _show(request, "codes.html", "Your recovery codes", codes=codes)


def _show(
    request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    return TemplateResponse(
        request,
        f"admin/second_factor/{template}",
        {**admin.site.each_context(request), "title": title, **context},
        status=status,
    )


def _next_of(request: HttpRequest) -> str:
    """Where to go after the code: the path that was asked for, if it is on this site."""
    target = request.POST.get("next", request.GET.get("next", ""))
    is_here = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_here and target.startswith("/") else reverse("admin:index")


app_name = "second_factor"

urlpatterns = [
    path("", admin.site.admin_view(ask), name="ask"),
    path("device/", admin.site.admin_view(device), name="device"),
]
