"""Partners' webhook endpoints: their URLs, whether they accept events, and their secrets.

A secret is shown once, on the page that makes it. A worker sends test events, like all others: they
come from its place in the network, and never from a process that customers reach.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.timesince import timesince
from django.views.decorators.http import require_POST, require_safe

from bookings.admin.adding import AddsOnce
from bookings.infrastructure import clock, seals
from bookings.models import WebhookEndpoint
from bookings.news.webhooks import backlog, endpoints
from bookings.news.webhooks.receiver_urls import UrlRefused, check_unresolved
from bookings.news.webhooks.signing import hint_of
from bookings.presentation.moments import zoned_text

SHOWN_DELIVERIES = 20

# Workers look every few seconds. After this long, no worker seems to be running.
TEST_PATIENCE_S = 60


class WebhookEndpointForm(forms.ModelForm):
    def clean_url(self) -> str:
        """Judges how a new URL is written. Each try checks whether its name leads to a private
        IP address, since that can change. An endpoint whose URL was allowed can be switched off.
        """
        url: str = self.cleaned_data["url"]
        if "url" not in self.changed_data:
            return url
        try:
            check_unresolved(url)
        except UrlRefused as refusal:
            raise ValidationError(str(refusal)) from None
        return url


class EndpointStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"
    conditions: dict[str, dict[str, Any]] = {
        "disabled": {"is_active": False, "disabled_at__isnull": False},
        "failing": {"is_active": True, "failing_since__isnull": False},
        "off": {"is_active": False, "disabled_at__isnull": True},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("failing", "failing"),
            ("disabled", "disabled by the site"),
            ("off", "switched off"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> QuerySet[WebhookEndpoint]:
        return queryset.filter(**self.conditions.get(self.value() or "", {}))


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(AddsOnce):
    form = WebhookEndpointForm
    fields = ("client", "url", "is_active", "state", "last_error", "last_sent_at")
    list_display = ("client", "url", "state", "waiting", "last_sent_at")
    list_display_links = ("client", "url")
    list_filter = (EndpointStateFilter,)
    list_select_related = ("client",)
    search_fields = ("url",)
    sortable_by = ()
    autocomplete_fields = ("client",)
    readonly_fields = ("state", "last_error", "last_sent_at")
    change_form_template = "admin/bookings/webhookendpoint/change_form.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        views = {
            "rotate-secret": self.rotate_secret,
            "end-earlier-secrets": self.end_earlier_secrets,
            "request-test": self.request_test,
            "test": self.test,
            "send-again": self.send_again,
        }
        return [
            *(
                path(
                    f"<str:endpoint_id>/{name}/",
                    wrap(view),
                    name=f"bookings_webhookendpoint_{name.replace('-', '_')}",
                )
                for name, view in views.items()
            ),
            *super().get_urls(),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The client never changes: another one would get this client's events."""
        return ("client", *self.readonly_fields) if obj else self.readonly_fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ("client", "url", "is_active")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allows no lookups of secrets: the list would reveal them piece by piece."""
        is_of_secret = lookup.split("__")[0] in ("secret", "seal_key")
        return not is_of_secret and super().lookup_allowed(lookup, value, request)

    @admin.display(description="state")
    def state(self, endpoint: WebhookEndpoint) -> str:
        """Whether it works or fails, has yet to be tried, was disabled by the site, or was switched
        off by staff."""
        now = clock.now()
        if not endpoint.is_active:
            if not endpoint.disabled_at:
                return "switched off"
            return f"DISABLED {timesince(endpoint.disabled_at, now)} ago: it accepted nothing"
        if not endpoint.failing_since:
            return "working" if endpoint.last_sent_at else "not tried yet"
        pause = ""
        if endpoint.next_try_at and endpoint.next_try_at > now:
            pause = f"; next try {zoned_text(endpoint.next_try_at)}"
        return f"FAILING for {timesince(endpoint.failing_since, now)}{pause}"

    @admin.display(description="waiting")
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        return backlog.count_waiting(endpoints.client_id_of(endpoint))

    # --- Adding and changing --------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        """Changes single fields: a plain save would undo what a worker wrote meanwhile."""
        if change:
            if {"url", "is_active"} & set(form.changed_data):
                endpoints.change_endpoint(obj.pk, url=obj.url, is_active=obj.is_active)
                backlog.make_due(endpoints.client_id_of(obj))
            return
        _, fields = endpoints.new_secret()
        for name, value in fields.items():
            setattr(obj, name, value)
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, obj, seals.open_seal(obj.secret))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Deletes by key, since MongoDB cannot delete through the joins of a list."""
        ids = [endpoint.pk for endpoint in queryset]
        WebhookEndpoint.objects.filter(pk__in=ids).delete()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        endpoint = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if endpoint:
            known = endpoints.find_endpoint(endpoint.pk) or {}
            client_id = endpoints.client_id_of(endpoint)
            context = {
                "endpoint": endpoint,
                "earlier": known.get("previous", []),
                "deliveries": _shown(backlog.list_latest(client_id, limit=SHOWN_DELIVERIES)),
                "waiting": backlog.count_waiting(client_id),
                "may_change": self.has_change_permission(request, endpoint),
            }
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    # --- Secrets --------------------------------------------------------------------------

    @method_decorator(require_POST)
    def rotate_secret(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Shows the secret in this answer: a redirect or a message would store it somewhere."""
        endpoint = self._find(request, endpoint_id)
        secret = endpoints.rotate_secret(endpoint.pk)
        if secret is None:
            raise Http404
        self.log_change(request, endpoint, f"Made the secret that ends in {hint_of(secret)}.")
        return self._show_secret(request, endpoint, secret)

    @method_decorator(require_POST)
    def end_earlier_secrets(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Ends the overlap: from now on only the newest secret signs."""
        endpoint = self._find(request, endpoint_id)
        endpoints.end_earlier_secrets(endpoint.pk)
        self.log_change(request, endpoint, "Ended earlier secrets.")
        self.message_user(request, "Earlier secrets no longer sign anything.", messages.SUCCESS)
        return _back_to(endpoint)

    def _show_secret(
        self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str
    ) -> HttpResponse:
        overlap_hours = int(endpoints.OVERLAP.total_seconds() // 3600)
        return self._page(
            request,
            "secret.html",
            {
                "title": "A new secret",
                "endpoint": endpoint,
                "secret": secret,
                "overlap_hours": overlap_hours,
            },
        )

    # --- Trying ---------------------------------------------------------------------------

    @method_decorator(require_POST)
    def request_test(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Requests a test event and redirects to the page with its result."""
        endpoint = self._find(request, endpoint_id)
        endpoints.request_test(endpoint.pk)
        self.log_change(request, endpoint, "Sent a test event.")
        return HttpResponseRedirect(
            reverse("admin:bookings_webhookendpoint_test", args=[endpoint.pk])
        )

    @method_decorator(require_safe)
    def test(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Shows the result of the test. While the test is under way, the page reloads by itself."""
        endpoint = self._find(request, endpoint_id)
        test = (endpoints.find_endpoint(endpoint.pk) or {}).get("test")
        waited_s = (clock.now() - test["ordered_at"]).total_seconds() if test else 0.0
        return self._page(
            request,
            "test.html",
            {
                "title": "A test event",
                "endpoint": endpoint,
                "test": test,
                "is_overdue": waited_s > TEST_PATIENCE_S,
            },
        )

    @method_decorator(require_POST)
    def send_again(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Sends one delivery again, in any state, or everything that is waiting."""
        endpoint = self._find(request, endpoint_id)
        client_id = endpoints.client_id_of(endpoint)
        if delivery_id := request.POST.get("delivery"):
            if not backlog.send_again(client_id, delivery_id):
                raise Http404
            self.log_change(request, endpoint, f"Sent {delivery_id} again.")
        else:
            backlog.make_due(client_id)
            self.log_change(request, endpoint, "Sent waiting events again.")
        endpoints.try_now(endpoint.pk)
        if endpoint.is_active:
            self.message_user(request, "It will be sent within seconds.", messages.SUCCESS)
        else:
            self.message_user(
                request, "It will be sent once the endpoint is active.", messages.WARNING
            )
        return _back_to(endpoint)

    # --------------------------------------------------------------------------------------

    def _find(self, request: HttpRequest, endpoint_id: str) -> WebhookEndpoint:
        """The endpoint. Raises PermissionDenied if the user may not change it."""
        if not self.has_view_permission(request) or not self.has_change_permission(request):
            raise PermissionDenied
        endpoint = self.get_object(request, endpoint_id)
        if endpoint is None:
            raise Http404
        return endpoint

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        return TemplateResponse(
            request,
            f"admin/bookings/webhookendpoint/{name}",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )


def _shown(deliveries: list[backlog.DeliveryDocument]) -> list[dict[str, Any]]:
    """Adds `id`, since templates cannot read names that begin with an underscore."""
    return [{**delivery, "id": delivery["_id"]} for delivery in deliveries]


def _back_to(endpoint: WebhookEndpoint) -> HttpResponse:
    return HttpResponseRedirect(
        reverse("admin:bookings_webhookendpoint_change", args=[endpoint.pk])
    )
