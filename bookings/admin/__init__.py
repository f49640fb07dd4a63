"""The admin for staff. It reads models, and changes bookings only through services."""

from django.contrib import admin

from bookings.admin import (
    accounts,
    blocks,
    catalogue,
    clients,
    failed_work,
    manager,
    nights,
    notifications,
    stays,
    webhooks,
)

__all__ = [
    "accounts",
    "blocks",
    "catalogue",
    "clients",
    "failed_work",
    "manager",
    "nights",
    "notifications",
    "stays",
    "webhooks",
]

admin.site.site_header = "Bookingsite"
admin.site.site_title = "Bookingsite"
admin.site.index_title = "Administration"
