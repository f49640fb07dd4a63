"""What the admin's first page says about work that failed."""

from typing import Any

from django import template

from bookings.infrastructure.queues import failed_work

register = template.Library()


@register.simple_tag(takes_context=True)
def count_failed_work(context: dict[str, Any]) -> int:
    """How much of it there is, for who may see it."""
    user = context["request"].user
    return sum(failed_work.count().values()) if user.has_perm("bookings.view_failedwork") else 0
