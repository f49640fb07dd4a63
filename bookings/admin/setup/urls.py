"""The URLs of the set-up, below /admin/setup/."""

from django.urls import path

from bookings.admin.setup import pages

app_name = "setup"

urlpatterns = [
    path("", pages.start, name="start"),
    path("new/", pages.new, name="new"),
    path("<str:hotel_id>/hotel/", pages.change_hotel, name="hotel"),
    path("<str:hotel_id>/categories/", pages.categories, name="categories"),
    path("<str:hotel_id>/rooms/", pages.rooms, name="rooms"),
    path("<str:hotel_id>/photos/", pages.photos, name="photos"),
    path("<str:hotel_id>/colleagues/", pages.invite, name="colleagues"),
    path("<str:hotel_id>/preview/", pages.preview, name="preview"),
]
