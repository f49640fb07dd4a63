"""What the admin's log keeps of the desk's work: what was done, and no word that was typed.

An erasure finds a guest's details in the booking. It cannot find them in a sentence of the log.
"""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.admin import test_blocks, test_bookings, test_new_booking
from tests.calls import stored
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

WORD = "Zyzzyva"


def test_keeps_no_word_that_was_typed_about_a_guest(client: Client) -> None:
    client.force_login(User.objects.create_superuser("staff"))
    for room in ("inn_A", "inn_B"):
        guest = {"guest_name": WORD, "guest_email": f"{WORD}.{room}@example.org", "notes": WORD}
        sent = test_new_booking.sent_from(client, opened_for=room, **guest)
        price = {"price": "150", "price_reason": WORD}
        client.post(test_bookings.ADD, {**sent, "guest_phone": "+49 30 1", **price})
    first, second = (str(each["_id"]) for each in stored())
    page = f"{test_bookings.LIST}{first}"
    form = client.get(f"{page}/edit/").context["form"]
    shown = {name: form[name].value() or "" for name in form.fields if name != "tell"}
    client.post(f"{page}/edit/", {**shown, "name": f"{WORD} {WORD}", "notes": f"{WORD}!"})
    client.post(f"{page}/remark/", {"text": WORD, "key": "remark"})
    client.post(reverse("desk:join", args=[first]), {"other": second, "note": WORD})
    client.post(f"{page}/cancel/", {"reason": WORD})
    block = {"rooms": "inn_C", "reason": "Other", "details": WORD}
    client.post(test_blocks.ADD, test_blocks.form(client, **block, first=night(20), end=night(21)))

    events = [line["event"] for each in stored() for line in each["history"]]
    logged = list(LogEntry.objects.values("object_repr", "change_message"))
    assert events == ["created", "edited", "cancelled", "created", "blocked"]
    assert len(logged) == 7
    assert WORD.lower() not in repr(logged).lower()
