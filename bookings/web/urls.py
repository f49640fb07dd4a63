from django.contrib.auth import views as auth
from django.urls import path

from bookings.web import journey, lesson, my_bookings, search

urlpatterns = [
    path("", search.home, name="home"),
    path("stays", search.stays, name="stays"),
    path("calendar/<str:category_id>", search.month, name="month"),
    path("hold", journey.hold, name="hold"),
    path("bookings", my_bookings.my_bookings, name="bookings"),
    path("bookings/<str:booking_id>", journey.booking_page, name="booking"),
    path("bookings/<str:booking_id>/confirm", journey.confirm, name="confirm"),
    path("bookings/<str:booking_id>/extend", journey.extend, name="extend"),
    path("bookings/<str:booking_id>/cancel", journey.cancel, name="cancel"),
    path("bookings/<str:booking_id>/stay.ics", journey.stay_file, name="stay_file"),
    path("manage/<str:token>", journey.manage, name="manage"),
    path("how-it-works", lesson.how_it_works, name="how_it_works"),
    path("how-it-works/try", lesson.try_it, name="try_it"),
    path("login", auth.LoginView.as_view(template_name="login.html"), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
]
