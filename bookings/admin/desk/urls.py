"""The front desk's URLs, besides those of the admin's models."""

from django.urls import path

from bookings.admin.desk.guests import find_guests
from bookings.admin.desk.occupancy import describe_bar, open_bar, open_night, show_occupancy
from bookings.admin.desk.person import (
    erase_person,
    export_person,
    join_stays,
    part_stays,
    show_person,
)
from bookings.admin.desk.retention import show_rules
from bookings.admin.desk.rooms import show_rooms
from bookings.admin.desk.today import mark, show_today

app_name = "desk"

urlpatterns = [
    path("today/", show_today, name="today"),
    path("mark/<str:booking_id>/", mark, name="mark"),
    path("occupancy/", show_occupancy, name="occupancy"),
    # The calendar has thousands of links to these, so they are short.
    path("occupancy/<str:booking_id>/", open_bar, name="bar"),
    path("occupancy/<str:booking_id>/details/", describe_bar, name="bar_details"),
    path("occupancy/<str:room_id>/<str:night>/", open_night, name="night"),
    path("guests/", find_guests, name="guests"),
    # Before the next one, which takes any text for an id.
    path("guests/retention/", show_rules, name="retention"),
    path("guests/<str:booking_id>/", show_person, name="person"),
    path("guests/<str:booking_id>/join/", join_stays, name="join"),
    path("guests/<str:booking_id>/part/", part_stays, name="part"),
    path("guests/<str:booking_id>/export/", export_person, name="export"),
    path("guests/<str:booking_id>/erase/", erase_person, name="erase"),
    path("rooms/", show_rooms, name="rooms"),
]
