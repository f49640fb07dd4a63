"""Links that lead out of a frame: `<a href="{% url 'login' %}"{% leaving %}>`."""

from django import template
from django.utils.safestring import SafeString, mark_safe

from bookings.infrastructure.embedding import is_embedded

register = template.Library()

_NEW_TAB = mark_safe(' target="_blank" rel="noopener"')


@register.simple_tag
def leaving() -> SafeString:
    """The attributes of a link to a page that may not be framed; nothing outside of a frame.

    The link must have no `rel` of its own.
    """
    return _NEW_TAB if is_embedded() else mark_safe("")


@register.filter
def leaving_frame(html: SafeString) -> SafeString:
    """What an owner wrote (bookings/content/markdown.py), whose links all lead elsewhere."""
    return mark_safe(html.replace("<a ", '<a target="_blank" ')) if is_embedded() else html
