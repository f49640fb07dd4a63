"""Counts as staff and operators read them, in English. Guests' texts have plural forms of their own
in each language."""


def quantity(count: int, noun: str) -> str:
    """The count with its noun: 1 night, 2 nights, 1,000 nights."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
