"""What hotels still lack, on the admin's first page: `{% checklists %}`."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.operations import checklist
from bookings.operations.checklist import ToDo
from bookings.people import second_factor
from bookings.people.staff_hotels import hotels_of

register = template.Library()


@register.inclusion_tag("admin/setup/checklists.html", takes_context=True)
def checklists(context: Context) -> dict[str, Any]:
    """What is missing for each hotel and for the site, each a link, for staff who set up hotels."""
    user = context["request"].user
    if not user.has_perm("bookings.change_hotel"):
        return {}
    hear_of_changes()
    own = hotels_of(user)
    found = checklist.recent_checklists() if own is None else checklist.read_checklists(own)
    site = []
    if second_factor.find_factor(user.pk) is None:
        site.append(ToDo("Set up two-factor login for yourself", reverse("second_factor:device")))
    return {
        "is_shown": True,
        "has_hotels": bool(found),
        "hotels": [(each, checklist.lines_of(each)) for each in found if each.lacks],
        "site": site,
        "may_add": user.has_perm("bookings.add_hotel"),
        "sends_no_mail": not checklist.can_send_mail(),
    }
