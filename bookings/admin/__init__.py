"""The staff's entrance: Django's admin, the front desk's pages and the manager's.

It reads models, and changes bookings only through services; `people` says which role may do what.
Modules here may import every layer below the entrances.
"""

from django.contrib import admin

from bookings.admin import (
    accounts,
    blocks,
    brand,
    catalogue,
    clients,
    content,
    failed_work,
    manager,
    nights,
    notifications,
    photos,
    stays,
    webhooks,
)

__all__ = [
    "accounts",
    "blocks",
    "brand",
    "catalogue",
    "clients",
    "content",
    "failed_work",
    "manager",
    "nights",
    "notifications",
    "photos",
    "stays",
    "webhooks",
]

admin.site.site_header = "Bookingsite"
admin.site.site_title = "Bookingsite"
admin.site.index_title = "Administration"
