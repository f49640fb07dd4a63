"""The warning about partners' endpoints on the admin's first page."""

from typing import Any

from django import template

from bookings.models import WebhookEndpoint

register = template.Library()


@register.simple_tag(takes_context=True)
def disabled_endpoints(context: dict[str, Any]) -> list[WebhookEndpoint]:
    """The endpoints disabled because they accepted nothing; empty if the user may not see them."""
    user = context["request"].user
    if not user.has_perm("bookings.view_webhookendpoint"):
        return []
    disabled = WebhookEndpoint.objects.filter(is_active=False, disabled_at__isnull=False)
    return list(disabled.select_related("client"))
