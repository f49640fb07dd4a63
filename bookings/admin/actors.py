"""The people and partners behind the labels of callers, owners and actors, as staff know them."""

from collections.abc import Iterable

from bson import ObjectId
from django.contrib.auth.models import User

from bookings.catalogue import inventory
from bookings.models import ApiClient


def name_actors(labels: Iterable[str]) -> dict[str, str]:
    """Names for the labels: `Anna (staff)`, `ada (account)`, `Otto Travel (partner)`."""
    wanted = set(labels)
    ids: dict[str, list[ObjectId]] = {"user": [], "client": []}
    for label in wanted:
        kind, _, id_text = label.partition(":")
        if kind in ids and ObjectId.is_valid(id_text):
            ids[kind].append(ObjectId(id_text))
    names = {label: _name_without_account(label) for label in wanted}
    if ids["user"]:
        for user in User.objects.filter(pk__in=ids["user"]):
            kind = "staff" if user.is_staff else "account"
            names[f"user:{user.pk}"] = f"{user.get_full_name() or user.get_username()} ({kind})"
    if ids["client"]:
        for client in ApiClient.objects.filter(pk__in=ids["client"]):
            names[f"client:{client.pk}"] = f"{client.name} (partner)"
    return names


def _name_without_account(label: str) -> str:
    kind, _, of = label.partition(":")
    if kind == "hotel" and (hotel := inventory.find_hotel(of)):
        return hotel.name
    return {
        "system": "The site",
        "guest": "The guest (without an account)",
        "gone": "Someone whose account was deleted",
        "user": "Someone with an account",
        "client": "A partner",
    }.get(kind, label)
