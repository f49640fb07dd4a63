"""How large a body may be, and how long it may take: one table of paths.

The worker (http_worker.py) keeps to it before Django hears of a request, and bodies.py before
anything in Django reads one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BodyLimit:
    """What a URL takes. A body has `grace_s`, and a second more for each `bytes_per_s`."""

    max_bytes: int
    grace_s: float = 5.0
    # Slower than any line that a file is sent by on purpose; 64 kB take nine seconds at most.
    bytes_per_s: int = 16 * 1024
    # Whether others than staff are kept to the default.
    for_staff: bool = False

    def allowed_s(self, arrived_bytes: int) -> float:
        """How long a body of which so much has arrived may have taken."""
        return self.grace_s + arrived_bytes / self.bytes_per_s


# The largest honest form or booking (notes, guest, every field) stays under 20 kB.
DEFAULT = BodyLimit(max_bytes=64 * 1024)

# A file of nights has 10 MB at most (bookings/catalogue/night_files.py), and a form around it. A
# process takes in one at a time, so a slow one keeps the others waiting: the largest for 82 s at
# most.
IMPORT = BodyLimit(max_bytes=10_000_000 + DEFAULT.max_bytes, bytes_per_s=128 * 1024, for_staff=True)

LIMITS = {"/admin/bookings/nightsfile/": IMPORT}

LARGEST_BYTES = max(limit.max_bytes for limit in (DEFAULT, *LIMITS.values()))


def limit_for(path: str) -> BodyLimit:
    """The limit of the URL."""
    return LIMITS.get(path, DEFAULT)
