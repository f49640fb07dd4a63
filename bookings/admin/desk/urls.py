"""The front desk's URLs, besides those of the admin's models."""

from django.urls import path

from bookings.admin.desk.guests import find_guests
from bookings.admin.desk.occupancy import show_occupancy
from bookings.admin.desk.rooms import show_rooms
from bookings.admin.desk.today import mark, show_today

app_name = "desk"

urlpatterns = [
    path("today/", show_today, name="today"),
    path("mark/<str:booking_id>/", mark, name="mark"),
    path("occupancy/", show_occupancy, name="occupancy"),
    path("guests/", find_guests, name="guests"),
    path("rooms/", show_rooms, name="rooms"),
]
