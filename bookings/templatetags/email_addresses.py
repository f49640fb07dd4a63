"""E-mail addresses in pages: `{{ guest.email|as_people_write }}`."""

from django import template

from bookings.domain.email_addresses import as_people_write

register = template.Library()
register.filter(as_people_write)
