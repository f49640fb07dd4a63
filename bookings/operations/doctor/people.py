"""Whether each account's address leads to that account alone, no account is half deleted, and
guests' data is kept no longer than the hotels want.

Findings name accounts by their ids, since no address may get into a log.
"""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_user
from bookings.domain.email_addresses import normalise_address
from bookings.indexes import account_indexes
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.quantities import quantity
from bookings.operations.doctor.findings import Finding, fail, ok, warn
from bookings.people import retention_rules
from bookings.stays.writing import guest_details

# The rules are kept once a day. A run may be late, and may need several parts.
RULE_LATE = timedelta(days=2)

# At most this many of each kind of fault are named.
EXAMPLES = 3


def accounts() -> Finding:
    """Letters that open an account go to its address, so a wrong address lets a stranger in."""
    found = list(collection("auth_user").find({}, {"username": 1, "email": 1}).sort("_id"))
    owners: dict[str, list[Any]] = defaultdict(list)
    drifted, unreachable = [], []
    for account in found:
        stored = account.get("email") or ""
        if not stored:
            continue
        try:
            address = normalise_address(stored)
        except ValidationError:
            unreachable.append(
                f"the address of account {account['_id']} is not valid, so no letter reaches it; "
                "correct it in the admin"
            )
            continue
        owners[address].append(account["_id"])
        if address != stored:
            drifted.append(
                f"the address of account {account['_id']} is not in the site's spelling; save it "
                "again in the admin"
            )
    shared = [
        f"accounts {' and '.join(map(str, ids))} share one address; give each its own"
        for ids in owners.values()
        if len(ids) > 1
    ]
    called_alike = [
        f"the name of account {account['_id']} is the address of account {ids[0]}; give it "
        "another name"
        for account in found
        if (ids := owners.get(account["username"].lower())) and account["_id"] not in ids
    ]
    bad = [
        *_missing_indexes(),
        *shared[:EXAMPLES],
        *drifted[:EXAMPLES],
        *_verified_of_others(),
        *_half_deleted([account["_id"] for account in found]),
    ]
    odd = [*unreachable[:EXAMPLES], *called_alike[:EXAMPLES]]
    text = "; ".join(bad + odd) + "."
    if bad:
        return fail(text)
    if odd:
        return warn(text)
    return ok(f"{quantity(len(owners), 'account')} with an address, each its own.")


def guest_data() -> Finding:
    """Whether guests' data is erased when the hotels' rules say."""
    now = clock.now()
    rules = retention_rules.list_rules().values()
    late = sorted(rule.hotel for rule in rules if now - (rule.kept_at or rule.since) > RULE_LATE)
    if late:
        return warn(
            f"Guests' data is kept longer than the rule of {', '.join(late[:EXAMPLES])} says; "
            "start beat and a worker, which keep the rules once a day."
        )
    if left := _links_of_erased():
        return warn(
            f"An erasure was cut short at the guest of booking {left}; press Erase once more on "
            "the page of all stays of that guest."
        )
    return ok(f"{quantity(len(rules), 'rule')} for how long guests' data is kept, all kept.")


def _links_of_erased() -> str:
    """The reference of a booking whose guest was erased, and which still has a link; "" if none."""
    found = collection("guest_links").aggregate(
        [
            {
                "$lookup": {
                    "from": "bookings",
                    "localField": "bookings",
                    "foreignField": "_id",
                    "as": "stay",
                    "pipeline": [
                        {"$match": {"$nor": [guest_details.IS_NOT_ERASED]}},
                        {"$project": {"reference": 1}},
                    ],
                }
            },
            {"$match": {"stay": {"$ne": []}}},
            {"$limit": 1},
        ]
    )
    return next((each["stay"][0]["reference"] for each in found), "")


def _missing_indexes() -> list[str]:
    there = collection("auth_user").index_information()
    return [
        f"the index {name} is missing: run manage.py migrate bookings 0011 --fake, and migrate"
        for index in account_indexes()
        if index.document.get("unique")
        and not there.get(name := index.document["name"], {}).get("unique")
    ]


def remarks() -> Finding:
    """Colleagues' remarks go with the guest's data, and each is on a booking that exists."""
    # As Booking.is_erased.
    is_erased = {"$nor": [guest_details.IS_NOT_ERASED]}
    fields = ("reference", "history.event", "guest", "notes")
    left = list(
        collection("remarks").aggregate(
            [
                {"$match": {"remarks.text": {"$exists": True}}},
                {
                    "$lookup": {
                        "from": "bookings",
                        "localField": "_id",
                        "foreignField": "_id",
                        "pipeline": [{"$project": dict.fromkeys(fields, 1)}],
                        "as": "booking",
                    }
                },
                {
                    "$match": {
                        "$or": [{"booking": []}, {"booking": {"$elemMatch": is_erased}}],
                    }
                },
                {"$limit": EXAMPLES},
            ]
        )
    )
    if left:
        named = ", ".join(
            each["booking"][0]["reference"] if each["booking"] else str(each["_id"])
            for each in left
        )
        return fail(
            f"Remarks are left on bookings whose guest was erased, or that do not exist: {named}. "
            "Delete them on the page of the booking, or the document of `remarks` with this id."
        )
    return ok("No remark is left of a guest who was erased.")


def _half_deleted(ids: list[Any]) -> list[str]:
    """Accounts whose deletion was cut short: they can write nothing, but bookings still name their
    people."""
    begun = collection(account_deletion.COLLECTION).find(
        {
            "_id": {"$in": [str(caller_of_user(each)) for each in ids]},
            "pseudonym": {"$exists": True},
        },
        limit=EXAMPLES,
    )
    return [
        f"the deletion of account {each['_id'].removeprefix('user:')} did not finish; delete it "
        "again"
        for each in begun
    ]


def _verified_of_others() -> list[str]:
    """Addresses that were verified for an account which has another address now."""
    strange = collection("verified_addresses").aggregate(
        [
            {
                "$lookup": {
                    "from": "auth_user",
                    "localField": "user_id",
                    "foreignField": "_id",
                    "as": "account",
                }
            },
            {"$match": {"$expr": {"$not": [{"$in": ["$_id", "$account.email"]}]}}},
            {"$limit": EXAMPLES},
        ]
    )
    return [
        f"an address that is not its own was verified for account {verified['user_id']}; if its "
        "owner cannot say why, give the account a new password and save its address again"
        for verified in strange
    ]
