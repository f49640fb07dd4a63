"""The photos of a hotel and of its categories: upload, describe, order and delete.

The pages work without scripts, one photo at a time. With scripts several files can be chosen, a bar
shows the progress, and photos can be dragged.
"""

from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Model
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, reverse

from bookings.admin.manager.jobs import JobKeyField, new_job_key
from bookings.admin.manager.pages import ManagerPage, hotel_to_note, note
from bookings.admin.own_hotels import find_own, list_own
from bookings.admin.staff_requests import StaffRequest, may
from bookings.catalogue import inventory
from bookings.catalogue.inventory import CategoryFacts, HotelFacts
from bookings.content.photos import changes, files, judging
from bookings.content.photos.changes import MAX_ALT, MAX_PHOTOS
from bookings.content.photos.facts import facts_of
from bookings.content.photos.files import StorageAway
from bookings.content.photos.judging import PhotoRefused
from bookings.content.photos.rows import READY, WAITING
from bookings.infrastructure.texts import LineField
from bookings.models import Photo, RoomCategory

HOTEL, CATEGORY = "hotel", "category"

# What browsers offer to choose; what was sent is judged by its bytes.
TYPES = ".jpg,.jpeg,.png,.webp,.avif,image/jpeg,image/png,image/webp,image/avif"

OFF = (
    "Photos are off, because this site has no place for them yet; set PHOTOS_FOLDER or "
    "PHOTOS_BUCKET first."
)


@dataclass(frozen=True)
class Album:
    """The photos of one hotel itself, or of one category."""

    hotel: HotelFacts
    category: CategoryFacts | None = None

    @property
    def kind(self) -> str:
        return CATEGORY if self.category else HOTEL

    @property
    def key(self) -> str:
        return self.category.id if self.category else self.hotel.id

    @property
    def name(self) -> str:
        return f"{self.category.name}, {self.hotel.name}" if self.category else self.hotel.name

    @property
    def of(self) -> tuple[str, str | None]:
        """The ids of hotel and category, as the service takes them."""
        return self.hotel.id, self.category.id if self.category else None

    @property
    def url(self) -> str:
        return self._url("album")

    @property
    def upload_url(self) -> str:
        return self._url("upload")

    @property
    def change_url(self) -> str:
        return self._url("alter")

    def _url(self, name: str) -> str:
        return reverse(f"admin:bookings_photo_{name}", args=[self.kind, self.key])

    def to_note(self) -> Model:
        """What the log says that this is about."""
        if self.category:
            return RoomCategory(pk=self.category.id, name=self.category.name)
        return hotel_to_note(self.hotel)


class UploadForm(forms.Form):
    """One photo; the key makes a form that is sent twice add one photo."""

    key = JobKeyField()
    photo = forms.FileField(
        label="Photo",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": TYPES}),
        error_messages={"required": "Choose a photo first."},
    )


class AltForm(forms.Form):
    """The alternative texts of one photo, in every language of the site."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in settings.LANGUAGES:
            self.fields[code] = LineField(
                label=f"What it shows, in {name}",
                required=False,
                max_length=MAX_ALT,
                # What the page showed, so that only what was changed is written.
                show_hidden_initial=True,
                widget=forms.TextInput(attrs={"class": "vTextField", "maxlength": MAX_ALT}),
            )


@admin.register(Photo)
class PhotoPages(ManagerPage):
    needs = "bookings.view_photo"
    changes = ("bookings.change_photo",)
    title = "Photos"
    template = "admin/photos/albums.html"

    def get_urls(self) -> list[URLPattern]:
        album = "<str:kind>/<str:key>/"
        return [
            self.page(album, self.show_album, "album"),
            self.page(f"{album}upload/", self.upload, "upload"),
            self.page(f"{album}change/", self.alter, "alter"),
            *super().get_urls(),
        ]

    def show(self, request: StaffRequest) -> HttpResponse:
        """Every hotel and category, with the number of its photos."""
        counts = changes.count_photos()
        albums = [
            (album, counts.get(album.of, 0))
            for hotel in list_own(request)
            for album in (
                Album(hotel),
                *(Album(hotel, each) for each in inventory.list_categories(hotel.id)),
            )
        ]
        return self.render(request, albums=albums)

    def show_album(self, request: HttpRequest, kind: str, key: str) -> HttpResponse:
        """The photos of a hotel or category, with the form for another one."""
        self.check_may(request, self.needs)
        return self._album_page(request, _find(request, kind, key))

    def upload(self, request: HttpRequest, kind: str, key: str) -> HttpResponse:
        """Keeps one photo. Scripts get JSON: `error`, and the `key` of their next upload."""
        self.check_may(request, self.needs, "bookings.add_photo")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        album = _find(request, kind, key)
        error, status = self._keep(request, album)
        if request.accepts("text/html"):
            if error:
                messages.error(request, error)
            return HttpResponseRedirect(album.url)
        return JsonResponse({"error": error, "key": new_job_key()}, status=status)

    def _keep(self, request: HttpRequest, album: Album) -> tuple[str, int]:
        """Returns what is wrong with the upload, or an empty text, and the status that says so."""
        form = UploadForm(request.POST, request.FILES)
        if not files.are_on():
            return OFF, 400
        if not form.is_valid():
            return " ".join(str(fault) for faults in form.errors.values() for fault in faults), 400
        # One byte more than allowed shows that the file is too large.
        content = form.cleaned_data["photo"].read(judging.MAX_BYTES + 1)
        hotel_id, category_id = album.of
        try:
            is_new = changes.add_photo(
                photo_id=form.cleaned_data["key"],
                hotel_id=hotel_id,
                category_id=category_id,
                content=content,
            )
        except PhotoRefused as refused:
            return str(refused), 400
        except StorageAway:
            return "The storage of the photos does not answer; try again in a minute.", 503
        if is_new:
            note(request, "Uploaded a photo.", about=album.to_note())
        return "", 200

    def alter(self, request: HttpRequest, kind: str, key: str) -> HttpResponse:
        """Orders, describes or deletes photos, as the button that was pressed says."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        album, action = _find(request, kind, key), request.POST.get("action", "")
        needed = "bookings.delete_photo" if action == "delete" else "bookings.change_photo"
        self.check_may(request, self.needs, needed)
        sent = request.POST.getlist("photo")
        photo_ids = [ObjectId(each) for each in sent if ObjectId.is_valid(each)]
        if not photo_ids:
            messages.error(request, "Choose a photo first.")
        elif action == "describe":
            form = AltForm(request.POST)
            if not form.is_valid():
                return self._album_page(request, album, wrong=(photo_ids[0], form))
            told = {name: form.cleaned_data[name] for name in form.changed_data}
            if changes.describe_photo(*album.of, photo_ids[0], told):
                note(request, "Described a photo.", about=album.to_note())
                messages.success(request, "The description is saved.")
            else:
                messages.error(request, "Someone else has deleted this photo.")
        elif action == "delete":
            if changes.delete_photo(*album.of, photo_ids[0]):
                note(request, "Deleted a photo.", about=album.to_note())
                messages.success(request, "The photo is deleted.")
            return HttpResponseRedirect(album.url)
        elif action in ("earlier", "later"):
            _move(album, photo_ids[0], -1 if action == "earlier" else 1)
        elif action == "order":
            changes.order_photos(*album.of, photo_ids)
            return HttpResponse(status=204)
        anchor = f"#photo-{photo_ids[0]}" if photo_ids else ""
        return HttpResponseRedirect(f"{album.url}{anchor}")

    def _album_page(
        self,
        request: HttpRequest,
        album: Album,
        wrong: tuple[ObjectId, AltForm] | None = None,
    ) -> HttpResponse:
        """The page; `wrong` is a photo with the form that was refused for it."""
        rows = changes.list_photos(*album.of)
        shown = [
            {
                "id": row["_id"],
                "facts": facts_of(row) if row["state"] == READY else None,
                "error": row["error"],
                "form": wrong[1]
                if wrong and wrong[0] == row["_id"]
                else AltForm(initial=row["alt"], auto_id=f"id_{row['_id']}_%s"),
                "has_alt": bool(row["alt"]),
            }
            for row in rows
        ]
        self_made = UploadForm(initial={"key": new_job_key()})
        return self.render_with(
            request,
            "admin/photos/album.html",
            status=400 if wrong else 200,
            title=f"Photos of {album.name}",
            album=album,
            photos=shown,
            are_waiting=any(row["state"] == WAITING for row in rows),
            is_full=len(rows) >= MAX_PHOTOS,
            off="" if files.are_on() else OFF,
            upload_form=self_made if may(request, "bookings.add_photo") else None,
            may_change=may(request, "bookings.change_photo"),
            may_delete=may(request, "bookings.delete_photo"),
            max_mb=judging.MAX_MB,
            max_megapixels=judging.MAX_PIXELS // 1_000_000,
            max_photos=MAX_PHOTOS,
            accepted=judging.ACCEPTED,
        )

    def render_with(
        self, request: HttpRequest, template: str, *, status: int, **context: Any
    ) -> HttpResponse:
        """Another page than the list of albums."""
        response = self.render(request, **context)
        response.template_name = template  # type: ignore[attr-defined]
        response.status_code = status
        return response


def _find(request: HttpRequest, kind: str, key: str) -> Album:
    """Raises Http404 if the user has no such hotel or category."""
    if kind == HOTEL and (hotel := find_own(request, key)):
        return Album(hotel)
    if kind == CATEGORY and (category := inventory.find_category(key)):
        hotel = find_own(request, category.hotel)
        if hotel:
            return Album(hotel, category)
    raise Http404


def _move(album: Album, photo_id: ObjectId, by: int) -> None:
    """Moves the photo one place; at the end of the row nothing changes."""
    order = [row["_id"] for row in changes.list_photos(*album.of)]
    if photo_id in order:
        place = order.index(photo_id)
        order.remove(photo_id)
        order.insert(max(0, place + by), photo_id)
        changes.order_photos(*album.of, order)
