"""The staff's entrance. It reads models, and changes bookings through services only."""

from django.contrib import admin

from bookings.admin import catalogue, clients, nights, records

__all__ = ["catalogue", "clients", "nights", "records"]

admin.site.site_header = "Bookingsite"
admin.site.site_title = "Bookingsite"
admin.site.index_title = "Administration"
