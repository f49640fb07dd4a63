"""The warning about failed work on the admin's first page."""

from typing import Any

from django import template

from bookings.infrastructure.queues import failed_work

register = template.Library()


@register.simple_tag(takes_context=True)
def count_failed_work(context: dict[str, Any]) -> int:
    """The number of failed items; 0 if the user may not see them."""
    user = context["request"].user
    return sum(failed_work.count().values()) if user.has_perm("bookings.view_failedwork") else 0
