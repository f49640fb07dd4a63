"""Identifies the caller: a partner by its token, a person by their session."""

import dataclasses
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from bookings.domain.callers import Caller, caller_of_user
from bookings.people import tokens
from bookings.people.staff_hotels import hotels_of

KEYWORD = "Bearer"


def token_of(request: HttpRequest | Request) -> str | None:
    """The token in the request's header, or None if it sends none."""
    keyword, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if keyword.lower() == KEYWORD.lower() else None


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`; `request.user` becomes the Caller."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        token = token_of(request)
        if token is None:
            return None
        caller = tokens.find_caller(token)
        if caller is None:
            raise AuthenticationFailed("This token is unknown or has been revoked.")
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


class CustomerSessionAuthentication(SessionAuthentication):
    """The session of a logged-in person, with CSRF protection; the user becomes a Caller."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user, _ = found
        # What staff booked at the desk is theirs here, too.
        return dataclasses.replace(caller_of_user(user.pk), hotels=hotels_of(user)), None
