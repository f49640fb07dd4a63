"""How staff and operators read a count."""

from __future__ import annotations

import pytest

from bookings.infrastructure.quantities import quantity


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 nights"), (1, "1 night"), (2, "2 nights"), (1_000, "1,000 nights")],
)
def test_counts_in_the_singular_and_in_the_plural(count: int, said: str) -> None:
    assert quantity(count, "night") == said
