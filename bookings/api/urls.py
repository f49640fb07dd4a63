from django.urls import path

from bookings.api import catalogue, views

urlpatterns = [
    path("bookings", views.BookingsView.as_view()),
    path("bookings/<str:booking_id>", views.BookingView.as_view()),
    path("bookings/<str:booking_id>/confirm", views.ConfirmView.as_view()),
    path("bookings/<str:booking_id>/extend", views.ExtendView.as_view()),
    path("bookings/<str:booking_id>/change", views.ChangeView.as_view()),
    path("bookings/<str:booking_id>/cancel", views.CancelView.as_view()),
    path("hotels", catalogue.HotelsView.as_view()),
    path("hotels/<str:hotel_id>", catalogue.HotelView.as_view()),
    path("categories", catalogue.CategoriesView.as_view()),
    path("rooms", catalogue.RoomsView.as_view()),
    path("availability", views.AvailabilityView.as_view()),
    path("calendar", views.CalendarView.as_view()),
    path("resources/available", views.FreeResourcesView.as_view()),
]
