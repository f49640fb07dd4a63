"""API clients and their tokens. A token is shown once, on the page that issues it."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from bookings.admin.changing import ChangesWhatWasSeen
from bookings.admin.deletion import RefusesDeletion
from bookings.admin.forms import DayField
from bookings.admin.staff_requests import may
from bookings.catalogue import withdrawal
from bookings.domain.callers import ACT_FOR_OTHERS, BOOK, READ, SCOPES
from bookings.infrastructure import clock
from bookings.models import ApiClient, ApiToken, Hotel
from bookings.people import tokens
from bookings.people.tokens import Allowed, end_of
from bookings.stays import queries

SCOPE_NAMES = {
    READ: "Read hotels, prices and what is free",
    BOOK: "Read, make and change its bookings",
    ACT_FOR_OTHERS: "Book for guests of its own, with a userId",
}

WAIT = f"{withdrawal.STILL_SOLD.total_seconds() / 60:.0f} minutes"


class TokenForm(forms.Form):
    """What a new token may do."""

    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=list(SCOPE_NAMES.items()),
        initial=list(SCOPES),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one thing that the token may do."},
    )
    hotels = forms.ModelMultipleChoiceField(
        label="Only at",
        queryset=Hotel.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose none to allow all hotels, including those that you add later.",
    )
    last_day = DayField(
        label="Last day",
        required=False,
        help_text="The token works until this day ends, by UTC. If this is empty, it works until "
        "you revoke it.",
    )

    def clean_scopes(self) -> list[str]:
        scopes: list[str] = self.cleaned_data["scopes"]
        if fault := tokens.judge_scopes(scopes):
            raise forms.ValidationError(fault)
        return scopes

    def clean_last_day(self) -> date | None:
        """A day that has not ended."""
        last_day: date | None = self.cleaned_data["last_day"]
        if last_day is not None and last_day < clock.now().date():
            raise forms.ValidationError("This day has ended; choose a later one.")
        return last_day

    @property
    def allowed(self) -> Allowed:
        """What a valid form allows."""
        hotels = tuple(hotel.pk for hotel in self.cleaned_data["hotels"])
        return Allowed(
            scopes=tuple(self.cleaned_data["scopes"]),
            hotels=hotels or None,
            ends_at=end_of(self.cleaned_data["last_day"]),
        )


class ApiClientForm(forms.ModelForm):
    class Meta:
        labels = {"is_active": "Active"}


class ActiveFilter(admin.BooleanFieldListFilter):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.title = "active"


@admin.register(ApiClient)
class ApiClientAdmin(ChangesWhatWasSeen, RefusesDeletion):
    form = ApiClientForm
    list_display = ("name", "active", "act_for_others", "created_at")
    list_filter = (("is_active", ActiveFilter), "act_for_others")
    search_fields = ("name",)
    readonly_fields = ("created_at",)
    change_form_template = "admin/bookings/apiclient/change_form.html"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allows the filters alone: other lookups could guess digests and secrets bit by bit."""
        return lookup.partition("__")[0] in ("is_active", "act_for_others")

    @admin.display(description="active", boolean=True, ordering="is_active")
    def active(self, client: ApiClient) -> bool:
        return client.is_active

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<str:client_id>/issue-token/",
                wrap(self.issue_token),
                name="bookings_apiclient_issue_token",
            ),
            path(
                "<str:client_id>/revoke-token/",
                wrap(self.revoke_token),
                name="bookings_apiclient_revoke_token",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        client = self.get_object(request, object_id)
        context = {
            "tokens": [_describe(token) for token in client.tokens.all()] if client else [],
            "token_form": TokenForm(),
            "may_issue": may(request, "bookings.add_apitoken"),
            "may_revoke": may(request, "bookings.change_apitoken"),
        }
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    @method_decorator(require_POST)
    def issue_token(self, request: HttpRequest, client_id: str) -> HttpResponse:
        """Shows the token in this answer: a redirect or a message would store it somewhere."""
        client = self._find(request, client_id, "bookings.add_apitoken")
        form = TokenForm(request.POST)
        if not form.is_valid():
            said = " ".join(str(error) for errors in form.errors.values() for error in errors)
            self.message_user(request, f"No token was issued. {said}", messages.ERROR)
            change = reverse("admin:bookings_apiclient_change", args=[client.pk])
            return HttpResponseRedirect(f"{change}#tokens")
        token = tokens.issue_token(client.pk, form.allowed)
        self.log_change(request, client, f"Issued the token that ends in {token[-4:]}.")
        context = {
            **self.admin_site.each_context(request),
            "title": "A new token",
            "opts": self.opts,
            "client": client,
            "token": token,
        }
        return TemplateResponse(request, "admin/bookings/apiclient/token.html", context)

    @method_decorator(require_POST)
    def revoke_token(self, request: HttpRequest, client_id: str) -> HttpResponse:
        """Revokes one of the client's tokens; revoking it twice does no harm."""
        client = self._find(request, client_id, "bookings.change_apitoken")
        token = get_object_or_404(client.tokens.all(), pk=request.POST.get("token", ""))
        if tokens.revoke_token(token.pk):
            self.log_change(request, client, f"Revoked the token that ends in {token.hint}.")
        self.message_user(
            request, f"The token that ends in {token.hint} is revoked.", messages.SUCCESS
        )
        return HttpResponseRedirect(reverse("admin:bookings_apiclient_change", args=[client.pk]))

    def refuse_deletion(self, objects: list[ApiClient]) -> list[str]:
        # Before the bookings: once a token can no longer be used, all its bookings are among them.
        with_tokens = withdrawal.clients_with_recent_tokens(client.pk for client in objects)
        kept = queries.find_referred("owner", [f"client:{client.pk}" for client in objects])
        sentences = []
        for client in objects:
            if f"client:{client.pk}" in kept:
                text = "has bookings, so it cannot be deleted; deactivate it instead."
            elif client.pk in with_tokens:
                text = f"can be deleted {WAIT} after its last token is revoked."
            else:
                continue
            sentences.append(f"{client} {text}")
        return sentences

    def _find(self, request: HttpRequest, client_id: str, permission: str) -> ApiClient:
        """The client. Raises PermissionDenied unless the user may see it and has the permission."""
        if not self.has_view_permission(request) or not may(request, permission):
            raise PermissionDenied
        client = self.get_object(request, client_id)
        if client is None:
            raise Http404
        return client


def _describe(token: ApiToken) -> dict[str, Any]:
    """The token and what it may do, in words. A token of a release before may do everything."""
    return {
        "token": token,
        "may": [SCOPE_NAMES[scope] for scope in SCOPES if scope in (token.scopes or SCOPES)],
        "hotels": ", ".join(token.hotels or ()),
        # The last day, not the midnight after it.
        "last_day": token.ends_at and (token.ends_at - timedelta(days=1)).date(),
        "has_ended": token.ends_at is not None and token.ends_at <= clock.now(),
    }
