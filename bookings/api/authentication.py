"""Identifies the caller: a partner by its token, a person by their session."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from bookings.domain.callers import Caller, caller_of_user
from bookings.people.tokens import find_caller


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`; `request.user` becomes the Caller."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        header = request.headers.get("Authorization", "")
        keyword, _, token = header.partition(" ")
        if keyword.lower() != self.keyword.lower():
            return None
        caller = find_caller(token.strip())
        if caller is None:
            raise AuthenticationFailed("This token is unknown or has been revoked.")
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class CustomerSessionAuthentication(SessionAuthentication):
    """The session of a logged-in person, with CSRF protection; the user becomes a Caller."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user, _ = found
        return caller_of_user(user.pk), None
