"""What a token may do here: each view names the scope that it needs."""

from typing import Any, cast

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from bookings.domain.callers import BOOK, READ, Caller
from bookings.refusals import PermissionDenied

_LACKS = {
    READ: "This token may not read hotels and prices; ask the hotel for one that may.",
    BOOK: "This token may not read or make bookings; ask the hotel for one that may.",
}


class HasScope(IsAuthenticated):
    """Refuses strangers, and with a PermissionDenied tokens that lack the view's scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        caller = cast(Caller, request.user)
        if view.scope not in caller.scopes:
            raise PermissionDenied(_LACKS[view.scope])
        return True
