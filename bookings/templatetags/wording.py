"""Filters that write days: `{{ day|day_text }}`, `{{ day|short_day_text }}`."""

from django import template

from bookings.presentation import days

register = template.Library()
register.filter("day_text", days.day_text)
register.filter("short_day_text", days.short_day_text)
