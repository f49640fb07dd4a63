"""The groups `front desk` and `manager`, and what each may do.

A migration makes them. From then on they belong to the staff: a right that staff take from a group,
or a group that they delete, never comes back. A release with a new right gives it once. The
collection `roles` remembers which rights were given.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from bookings.infrastructure.connections import collection

FRONT_DESK, MANAGER = "front desk", "manager"

_VIEW, _ACT = ("view",), ("view", "add", "change")
_ALL = ("view", "add", "change", "delete")

# By application and model: the allowed actions. A right is given as soon as it exists.
_OF_THE_DESK = {
    "bookings.bookingrecord": _ACT,
    "bookings.roomblock": _ACT,
    # The right to change a delivery allows sending it again.
    "bookings.deliveryrecord": ("view", "change"),
    "bookings.hotel": _VIEW,
    "bookings.roomcategory": _VIEW,
    "bookings.room": _VIEW,
    "bookings.night": _VIEW,
}
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    FRONT_DESK: _OF_THE_DESK,
    MANAGER: {
        **_OF_THE_DESK,
        "bookings.bookingrecord": (*_ACT, "erase", "reprice"),
        "bookings.hotel": _ALL,
        "bookings.roomcategory": _ALL,
        "bookings.room": _ALL,
        # Whoever may delete a hotel or category may delete its content.
        "bookings.hotelcontent": _ACT,
        "bookings.categorycontent": _ACT,
        "bookings.night": _ALL,
        "bookings.photo": _ALL,
        "bookings.brand": ("view", "change"),
        # Deleting a job stops it.
        "bookings.nightsjob": ("view", "add", "delete"),
        "bookings.figures": _VIEW,
        "bookings.apiclient": _ALL,
        "bookings.apitoken": _ACT,
        "bookings.webhookendpoint": _ALL,
        "bookings.failedwork": ("view", "delete"),
        # A person who may change users or groups can become anyone, so managers only see them.
        "auth.user": _VIEW,
        "auth.group": _VIEW,
        "admin.logentry": _VIEW,
    },
}


def give_roles() -> None:
    """Makes each group that was never made, and gives it each right that it was never given."""
    given = {role["_id"]: role for role in collection("roles").find()}
    for name in ROLES:
        if name not in given:
            _make(name)
        elif not given[name]["is_left_alone"]:
            _give(name, set(given[name]["given"]))


@receiver(post_migrate, dispatch_uid="bookings.roles")
def _after_migrating(sender: Any, **_: Any) -> None:
    # By now the other applications named above have made their rights, too.
    if sender.name == "bookings":
        give_roles()


def _make(name: str) -> None:
    """Makes the group, unless staff have one of this name; theirs gets no rights."""
    is_theirs = Group.objects.filter(name=name).exists()
    collection("roles").insert_one({"_id": name, "is_left_alone": is_theirs, "given": []})
    if not is_theirs:
        _give(name, set())


def _give(name: str, given: set[str]) -> None:
    if not given:  # the group is new, or its maker was killed half-way
        Group.objects.get_or_create(name=name)
    group = Group.objects.filter(name=name).first()
    if group is None:
        return
    new = {label: right for label, right in _rights_of(name).items() if label not in given}
    if new:
        group.permissions.add(*new.values())
        collection("roles").update_one(
            {"_id": name}, {"$set": {"given": sorted(given | new.keys())}}
        )


def _rights_of(name: str) -> dict[str, Permission]:
    """The role's rights that exist, by names like `bookings.view_night`."""
    wanted = {
        f"{label.partition('.')[0]}.{action}_{label.partition('.')[2]}"
        for label, actions in ROLES[name].items()
        for action in actions
    }
    codenames = {label.partition(".")[2] for label in wanted}
    found = Permission.objects.filter(codename__in=codenames).select_related("content_type")
    by_label = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in found
    }
    return {label: by_label[label] for label in sorted(wanted & by_label.keys())}
