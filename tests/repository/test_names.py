"""One word means one thing: no two classes have the same name."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.servers import ROOT

PACKAGES = ("bookings", "bookingsite", "idempotency", "locks", "local", "bench")

# Django finds these by name, one in each module.
FOUND_BY_NAME = {"Command", "Migration"}


def test_gives_every_class_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))

    shared = {name: found for name, found in places.items() if len(found) > 1}

    assert {name: found for name, found in shared.items() if name not in FOUND_BY_NAME} == {}
    assert set(shared) == FOUND_BY_NAME
