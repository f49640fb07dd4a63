"""The URLs of the team, below /admin/team/."""

from django.urls import path

from bookings.admin.team import pages

app_name = "team"

urlpatterns = [
    path("", pages.show_team, name="team"),
    path("invite/", pages.invite, name="invite"),
    path("<str:user_id>/", pages.show_person, name="person"),
    path("<str:user_id>/close/", pages.close, name="close"),
    path("<str:user_id>/open/", pages.reopen, name="open"),
    path("<str:user_id>/end-sessions/", pages.end_sessions, name="end_sessions"),
    path("<str:user_id>/invite-again/", pages.invite_again, name="invite_again"),
]
