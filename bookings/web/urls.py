from django.urls import path

from bookings.web import accounts, booking_pages, holding, lesson, my_bookings, search

urlpatterns = [
    path("", search.home, name="home"),
    path("stays", search.stays, name="stays"),
    path("calendar/<str:category_id>", search.month, name="month"),
    path("hold", holding.hold, name="hold"),
    path("bookings", my_bookings.my_bookings, name="bookings"),
    path("forget", my_bookings.forget, name="forget"),
    path("bookings/<str:booking_id>", booking_pages.booking_page, name="booking"),
    path("bookings/<str:booking_id>/confirm", booking_pages.confirm, name="confirm"),
    path("bookings/<str:booking_id>/extend", booking_pages.extend, name="extend"),
    path("bookings/<str:booking_id>/cancel", booking_pages.cancel, name="cancel"),
    path("bookings/<str:booking_id>/stay.ics", booking_pages.stay_file, name="stay_file"),
    path("manage/<str:token>", booking_pages.manage, name="manage"),
    path("how-it-works", lesson.how_it_works, name="how_it_works"),
    path("how-it-works/live", lesson.live_parts, name="live_parts"),
    path("how-it-works/try", lesson.try_it, name="try_it"),
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
