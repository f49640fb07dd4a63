"""API clients and their tokens. A token is shown once, on the page that issues it."""

from typing import Any

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
from bookings.admin.staff_requests import may
from bookings.catalogue import withdrawal
from bookings.models import ApiClient
from bookings.people import tokens
from bookings.stays import queries

WAIT = f"{withdrawal.STILL_SOLD.total_seconds() / 60:.0f} minutes"


@admin.register(ApiClient)
class ApiClientAdmin(ChangesWhatWasSeen, RefusesDeletion):
    list_display = ("name", "is_active", "act_for_others", "created_at")
    list_filter = ("is_active", "act_for_others")
    search_fields = ("name",)
    readonly_fields = ("created_at",)
    change_form_template = "admin/bookings/apiclient/change_form.html"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allows the filters alone: other lookups could guess digests and secrets bit by bit."""
        return lookup.partition("__")[0] in self.list_filter

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
            "tokens": client.tokens.all() if client else [],
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
        token = tokens.issue_token(client.pk)
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
