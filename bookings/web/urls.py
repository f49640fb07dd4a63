from django.contrib.auth import views as auth
from django.urls import path

from bookings.web import views

urlpatterns = [
    path("", views.home, name="home"),
    path("book", views.book, name="book"),
    path("bookings/<str:booking_id>/cancel", views.cancel, name="cancel"),
    path("login", auth.LoginView.as_view(template_name="login.html"), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
]
