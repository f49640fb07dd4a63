from django.urls import path

from bookings.web import accounts, views

urlpatterns = [
    path("", views.home, name="home"),
    path("book", views.book, name="book"),
    path("bookings/<str:booking_id>/cancel", views.cancel, name="cancel"),
    path("login", accounts.log_in, name="login"),
    path("logout", accounts.log_out, name="logout"),
    path("register", accounts.register, name="register"),
    path("register/finish", accounts.finish_register, name="finish_register"),
    path("register/<str:token>", accounts.open_register, name="open_register"),
    path("password", accounts.password, name="password"),
    path("password/new", accounts.new_password, name="new_password"),
    path("password/<str:token>", accounts.open_password, name="open_password"),
    path("find", accounts.find, name="find"),
    path("letter", accounts.letter_sent, name="letter_sent"),
]
