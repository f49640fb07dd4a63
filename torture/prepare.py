"""Fills the empty site of a run and prints, as JSON, what its clients need (world.Prepared).

Runs as a program with the site's settings: `python -m torture.prepare WEBHOOK_URL`.
"""

import json
import sys
from typing import Any

import django


def main(webhook_url: str) -> None:
    django.setup()
    from django.contrib.auth.models import User

    from bookings.infrastructure.connections import collection
    from bookings.models import ApiClient, Hotel, Room, RoomCategory, WebhookEndpoint
    from bookings.news.webhooks import endpoints
    from bookings.people import tokens
    from torture import world

    for hotel_id in world.HOTELS:
        hotel, _ = Hotel.objects.get_or_create(
            id=hotel_id,
            defaults={
                "code": hotel_id.upper(),
                "name": hotel_id.capitalize(),
                "anonymous_hold_percent": 100,
            },
        )
        for category in world.CATEGORIES:
            if category.hotel == hotel_id:
                _fill(RoomCategory, Room, category, hotel)
        # Less than any hotel could choose, so that holds end within the run.
        collection("hotels").update_one(
            {"_id": hotel_id}, {"$set": {"hold_minutes": world.HOLD_S / 60}}
        )
    audit = world.Category("east_audit", "east", (world.AUDIT_ROOM,))
    _fill(RoomCategory, Room, audit, Hotel.objects.get(id="east"))

    issued, client_ids, secrets = [], [], {}
    for number in range(world.PARTNERS):
        client = ApiClient.objects.create(name=f"partner {number}", act_for_others=True)
        hotels = (world.BOUND[number],) if number in world.BOUND else None
        issued.append(tokens.issue_token(client.pk, tokens.Allowed(hotels=hotels)))
        client_ids.append(str(client.pk))
        if number < world.LISTENERS:
            secret, sealed = endpoints.new_secret()
            url = f"{webhook_url}/{client.pk}"
            WebhookEndpoint.objects.create(client=client, url=url, **sealed)
            secrets[str(client.pk)] = secret
    sessions, users = {}, {}
    for name in ("desk", "guest1", "guest2", "guest3"):
        user = User.objects.create(
            username=name,
            email=f"{name}@example.org",
            is_staff=name == "desk",
            is_superuser=name == "desk",
        )
        sessions[name] = [_log_in(user) for _ in range(world.LOGINS)]
        users[name] = str(user.pk)
    print(  # noqa: T201
        json.dumps(
            {
                "tokens": issued,
                "client_ids": client_ids,
                "sessions": sessions,
                "user_ids": users,
                "webhook_secrets": secrets,
            }
        )
    )


def _fill(categories: Any, rooms: Any, category: Any, hotel: Any) -> None:
    from torture import world

    made, _ = categories.objects.get_or_create(
        id=category.id,
        defaults={
            "hotel": hotel,
            "name": category.id,
            "occupancy": 2,
            "default_price": world.PRICE,
        },
    )
    for room in category.rooms:
        rooms.objects.get_or_create(id=room, defaults={"category": made, "name": room})


def _log_in(user: Any) -> str:
    """The session of a person. No password exists."""
    from django.contrib.auth import login
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


if __name__ == "__main__":
    main(sys.argv[1])
