"""Whether each account is found by its own address, and no one else by it, and none is half
deleted.

Accounts are named by their ids: an address stands in no log.
"""

from collections import defaultdict
from typing import Any

from django.core.exceptions import ValidationError

from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_user
from bookings.domain.email_addresses import normalise_address
from bookings.indexes import account_indexes
from bookings.infrastructure.connections import collection
from bookings.operations.doctor.findings import Finding, fail, ok, warn

# So many of the wrong ones of each kind are named.
EXAMPLES = 3


def accounts() -> Finding:
    """Letters that open an account go to its address, so a wrong one lets a stranger in."""
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
            unreachable.append(f"no letter reaches the address of account {account['_id']}")
            continue
        owners[address].append(account["_id"])
        if address != stored:
            drifted.append(
                f"the address of account {account['_id']} is not spelled as the site does; write "
                "it again in the admin"
            )
    shared = [
        f"accounts {' and '.join(map(str, ids))} have one address; give each its own"
        for ids in owners.values()
        if len(ids) > 1
    ]
    called_alike = [
        f"account {account['_id']} is called like the address of account {ids[0]}; give it "
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
    return warn(text) if odd else ok(f"{len(owners)} accounts with an address, each its own.")


def _missing_indexes() -> list[str]:
    there = collection("auth_user").index_information()
    return [
        f"the index {name} is missing: run manage.py migrate bookings 0011 --fake, and migrate"
        for index in account_indexes()
        if not there.get(name := index.document["name"], {}).get("unique")
    ]


def _half_deleted(ids: list[Any]) -> list[str]:
    """An account whose deletion was cut short: it can write nothing, and its person still stands
    in bookings."""
    begun = collection(account_deletion.COLLECTION).find(
        {
            "_id": {"$in": [str(caller_of_user(each)) for each in ids]},
            "pseudonym": {"$exists": True},
        },
        limit=EXAMPLES,
    )
    return [
        f"the deletion of account {each['_id'].removeprefix('user:')} did not come to its end; "
        "delete it once more"
        for each in begun
    ]


def _verified_of_others() -> list[str]:
    """An address that was verified for an account which has another one now."""
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
        f"an address was verified for account {verified['user_id']} that is not its own; if its "
        "owner cannot say why, choose a new password for it, then write its address again"
        for verified in strange
    ]
