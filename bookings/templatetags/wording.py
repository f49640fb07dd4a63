"""Filters that write days and moments: `{{ day|day_text }}`, `{{ day|short_day_text }}`,
`{{ moment|moment_text:time_zone }}`."""

from django import template

from bookings.presentation import days, moments

register = template.Library()
register.filter("day_text", days.day_text)
register.filter("short_day_text", days.short_day_text)
register.filter("moment_text", moments.moment_text)
