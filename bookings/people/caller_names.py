"""Callers as an operator names them, on the command line."""

import re

from bson import ObjectId

from bookings.infrastructure.connections import collection

# By kind of caller: the collection that stores them, and its field with their name.
_NAMED = {"client": ("api_clients", "name"), "user": ("auth_user", "username")}
_GUEST_ID = re.compile(r"[0-9a-f]{32}")


def read_caller(text: str) -> str | None:
    """The caller whom an operator names as `client:NAME` or `user:NAME`, or by id instead of NAME.

    A guest has no name, only the id of their browser. None if there is no such caller.
    """
    kind, _, name = text.partition(":")
    if kind == "guest":
        return text if _GUEST_ID.fullmatch(name) else None
    if kind not in _NAMED:
        return None
    people, called = collection(_NAMED[kind][0]), _NAMED[kind][1]
    found = (
        people.find_one({"_id": ObjectId(name)}, {"_id": 1}) if ObjectId.is_valid(name) else None
    )
    found = found or people.find_one({called: name}, {"_id": 1})
    return f"{kind}:{found['_id']}" if found else None
