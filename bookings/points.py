"""Named points of the flow, at which a test can pause, kill or fail the process.

In production no handler is installed, and `reached` does nothing.
"""

from collections.abc import Callable

_handler: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Calls the handler, if any, at a point of the flow: after_claim, after_lock, …"""
    if _handler is not None:
        _handler(name)


def install(handler: Callable[[str], None] | None) -> None:
    """Sets the handler for every point, or None. Only the settings of tests call this."""
    global _handler
    _handler = handler
