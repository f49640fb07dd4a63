"""Photos as pages show them, as facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bookings.content.photos.files import folder_of, original, pictures
from bookings.content.photos.rows import ORDER, READY, WAITING
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads


@dataclass(frozen=True)
class PhotoFacts:
    """A photo that is ready, in pixels. `folder` names it in URLs; `widths` of its pictures ascend.

    `alt` has the alternative text by the code of its language; languages without one are missing.
    """

    folder: str
    width: int
    height: int
    widths: tuple[int, ...]
    alt: Mapping[str, str]

    def url(self, width: int, extension: str) -> str:
        """The path of the picture of this width in this format, such as `jpg`."""
        return f"/photos/{self.folder}/{width}.{extension}"

    def alt_in(self, languages: Sequence[str]) -> str:
        """The text in the first of these languages that has one, else in any; may be empty."""
        told = (self.alt[language] for language in languages if self.alt.get(language))
        return next(told, next(iter(self.alt.values()), ""))


@dataclass(frozen=True)
class HotelPhotos:
    """The photos of a hotel in their order: its own, and those of each category by its id."""

    own: tuple[PhotoFacts, ...] = ()
    by_category: Mapping[str, tuple[PhotoFacts, ...]] = field(default_factory=dict)

    def first_of(self, category_id: str) -> PhotoFacts | None:
        """The category's first photo, if it has one."""
        return next(iter(self.by_category.get(category_id, ())), None)


def recent_photos(hotel_id: str) -> HotelPhotos:
    """The photos that guests see of a hotel that exists; may be two seconds old
    (bookings/infrastructure/recent_reads.py)."""
    return _photos.get(hotel_id) or HotelPhotos()


def read_photos(hotel_id: str) -> HotelPhotos:
    """As `recent_photos`, but as it is now."""
    found: dict[str | None, list[PhotoFacts]] = {}
    for row in collection("photos").find({"hotel_id": hotel_id, "state": READY}).sort(ORDER):
        found.setdefault(row["category_id"], []).append(facts_of(row))
    own = tuple(found.pop(None, ()))
    return HotelPhotos(own, {str(name): tuple(each) for name, each in found.items()})


def files_of(row: dict[str, Any]) -> list[str]:
    """The names of the files that the photo in this row needs."""
    if row["state"] == READY:
        return pictures(row)
    return [original(row)] if row["state"] == WAITING else []


def facts_of(row: dict[str, Any]) -> PhotoFacts:
    """The facts in a row of a photo that is ready."""
    return PhotoFacts(
        folder=folder_of(row),
        width=row["width"],
        height=row["height"],
        widths=tuple(row["widths"]),
        alt=row["alt"],
    )


_photos: RecentReads[str, HotelPhotos] = RecentReads("photos", read_photos, most=100)
