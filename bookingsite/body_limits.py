"""How large a body may be and how long it may take, in one table of paths.

The worker (http_worker.py) applies it before Django sees a request. bodies.py applies it before
anything in Django reads a body.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BodyLimit:
    """The limits of a URL. A body gets `grace_s`, plus one second for each `bytes_per_s`."""

    max_bytes: int
    grace_s: float = 5.0
    # Slower than any line on which people deliberately send files; 64 kB take nine seconds at most.
    bytes_per_s: int = 16 * 1024
    # Whether only staff get this limit; everyone else gets the default.
    for_staff: bool = False
    # Whether a body takes the turn of a large one whatever its size, for what is made of it.
    takes_turn: bool = False

    def allowed_s(self, arrived_bytes: int) -> float:
        """How many seconds a body may have taken once this many bytes have arrived."""
        return self.grace_s + arrived_bytes / self.bytes_per_s


# The largest honest form or booking (notes, guest, every field) stays under 20 kB.
DEFAULT = BodyLimit(max_bytes=64 * 1024)

# A file of nights has at most 10 MB (bookings/catalogue/night_files.py), plus the form around it. A
# process takes one at a time, so a slow upload makes others wait: 82 s at most, for the largest.
IMPORT = BodyLimit(max_bytes=10_000_000 + DEFAULT.max_bytes, bytes_per_s=128 * 1024, for_staff=True)

# The form of a hotel's content has all its texts in every language (bookings/models.py): 170,000
# characters in two, of up to nine bytes each.
CONTENT = BodyLimit(max_bytes=2_000_000, for_staff=True)

# A photo has at most 25 MB (bookings/content/photos/judging.py). At the slowest pace that is
# allowed, it makes others wait for 215 s; the script of uploads tries again for as long as that. A
# file that is a little larger arrives, so that its own page can refuse it.
PHOTO = BodyLimit(max_bytes=27_500_000, bytes_per_s=128 * 1024, for_staff=True)

# A logo and an icon have at most 1 MB each (bookings/content/brand/pictures.py), plus the form
# around them. Files that are a little larger arrive, so that their own page can refuse them. A
# small file may have many pixels, so it takes its turn, too.
BRAND = BodyLimit(max_bytes=4_000_000, bytes_per_s=128 * 1024, for_staff=True, takes_turn=True)

LIMITS = {"/admin/bookings/nightsfile/": IMPORT, "/admin/bookings/brand/": BRAND}
# For every URL that begins so, since these contain an id.
LIMITS_BELOW = {
    "/admin/bookings/hotelcontent/": CONTENT,
    "/admin/bookings/categorycontent/": CONTENT,
}

_PHOTO_UPLOAD = re.compile(
    r"/admin/bookings/photo/(hotel|category)/[A-Za-z0-9_-]{1,64}/upload/", re.ASCII
)

LARGEST_BYTES = max(
    limit.max_bytes for limit in (DEFAULT, PHOTO, *LIMITS.values(), *LIMITS_BELOW.values())
)


def limit_for(path: str) -> BodyLimit:
    """The limit for a URL's path."""
    if path.endswith("/upload/") and _PHOTO_UPLOAD.fullmatch(path):
        return PHOTO
    if (limit := LIMITS.get(path)) is not None:
        return limit
    return next((limit for start, limit in LIMITS_BELOW.items() if path.startswith(start)), DEFAULT)
