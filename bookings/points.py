"""Named points of the flow, where a test may pause, kill or fail the process.

In production nothing is installed and `reached` does nothing.
"""

from collections.abc import Callable

_handler: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Says that the flow has come to `name`: after_claim, after_lock, in_transaction, …"""
    if _handler is not None:
        _handler(name)


def install(handler: Callable[[str], None] | None) -> None:
    """Sets what happens at every point; None for nothing. For tests' settings only."""
    global _handler
    _handler = handler
