"""The staff's entrance. It reads models, and changes bookings through services only."""

from django.contrib import admin

from bookings.admin import blocks, catalogue, clients, manager, nights, stays

__all__ = ["blocks", "catalogue", "clients", "manager", "nights", "stays"]

admin.site.site_header = "Bookingsite"
admin.site.site_title = "Bookingsite"
admin.site.index_title = "Administration"
