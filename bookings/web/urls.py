from django.urls import path

from bookings.web import views

urlpatterns = [path("", views.home, name="home")]
