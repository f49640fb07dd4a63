"""What web and the worker look at when they start, beside their work: whether photos can be kept.

A site whose photos cannot be kept still takes bookings, so a fault is logged and ends nothing.
"""

import logging
import threading

from bookings.checks import check_photos

logger = logging.getLogger(__name__)


def begin() -> None:
    """Looks on a thread of its own: a bucket that does not answer must not delay the start."""
    threading.Thread(target=_look, name="start-checks", daemon=True).start()


def _look() -> None:
    for fault in check_photos(None):
        logger.error("photos_cannot_be_kept", extra={"detail": fault.msg})
