"""The site's brand: name, sender, colour, logo, icon and links, on one page with a preview."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from bookings.admin.manager.pages import HotelChoiceForm, ManagerPage, note
from bookings.admin.staff_requests import StaffRequest, may
from bookings.catalogue.inventory import HotelFacts
from bookings.content.brand import changes, colours, pictures
from bookings.content.brand.changes import MAX_LINK_TEXT, MAX_LINKS, MAX_NAME, MAX_ORIGINS, MAX_URL
from bookings.content.brand.pictures import Artwork, PictureRefused, Use
from bookings.content.brand.reading import SITE, BrandFacts, read_brand
from bookings.content.brand.showing import show_brand
from bookings.content.brand.snippets import book_now_url, write_frame, write_snippets
from bookings.infrastructure import deadlines
from bookings.infrastructure.texts import LineField, LinesField
from bookings.models import Brand

CHANGE = "bookings.change_brand"

# What browsers offer to choose; what was sent is judged by its bytes.
TYPES = ".png,.jpg,.jpeg,.webp,image/png,image/jpeg,image/webp"

OVERTAKEN = (
    "Someone else has changed this while you were editing. What you typed is below; save once more "
    "to replace theirs."
)

# Far more changes than anyone makes, and far fewer than a number of MongoDB holds.
MAX_VERSION = 1_000_000_000

_WIDE = {"class": "vTextField"}


class UploadField(forms.FileField):
    """A logo or an icon, as the pictures that were made of it."""

    def __init__(self, use: Use, **options: Any) -> None:
        widget = forms.FileInput(attrs={"accept": TYPES})
        super().__init__(required=False, allow_empty_file=True, widget=widget, **options)
        self.use = use

    def clean(self, data: Any, initial: Any = None) -> Artwork | None:
        file = super().clean(data, initial)
        if not file:
            return None
        try:
            # One byte more than allowed shows that the file is too large.
            return pictures.convert(file.read(pictures.MAX_BYTES + 1), self.use)
        except PictureRefused as refused:
            raise ValidationError(str(refused)) from None


class BrandForm(forms.Form):
    """The whole brand. `links` is what the rows of links say, in their order."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=MAX_VERSION)
    name = LineField(
        required=False,
        max_length=MAX_NAME,
        widget=forms.TextInput(attrs=_WIDE),
        help_text="What guests read at the top of pages, in titles, and in mails about accounts.",
    )
    sender_name = LineField(
        label="Sender of mails",
        required=False,
        max_length=MAX_NAME,
        widget=forms.TextInput(attrs=_WIDE),
        help_text="The name beside the address that mails come from. If empty, mails about "
        "bookings come under their hotel’s name, and others under the name above.",
    )
    accent = forms.CharField(
        label="Accent colour",
        required=False,
        max_length=20,
        help_text=(
            "The colour of buttons and links, such as #1a625e. If it is too light or too dark to "
            "be read somewhere, links and borders get the nearest shade that can be."
        ),
    )
    logo = UploadField(
        "logo",
        label="Logo",
        help_text=(
            f"{pictures.ACCEPTED}, at most 1 MB and 4 megapixels. Pages show it 40 pixels high, in "
            "place of the name."
        ),
    )
    without_logo = forms.BooleanField(label="Remove the logo", required=False)
    icon = UploadField(
        "icon",
        label="Icon",
        help_text=(
            f"{pictures.ACCEPTED}, at most 1 MB and 4 megapixels, best a square. Browsers show it "
            "in the tab."
        ),
    )
    without_icon = forms.BooleanField(label="Remove the icon", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, MAX_LINKS + 1):
            for code, language in settings.LANGUAGES:
                self.fields[f"link_{number}_{code}"] = LineField(
                    required=False,
                    max_length=MAX_LINK_TEXT,
                    widget=forms.TextInput(
                        attrs={"aria-label": f"Link {number}: text in {language}", "lang": code}
                    ),
                )
            self.fields[f"link_{number}_url"] = forms.CharField(
                required=False,
                max_length=MAX_URL,
                widget=forms.TextInput(attrs={"aria-label": f"Link {number}: address"}),
            )

    def clean_accent(self) -> str:
        text: str = self.cleaned_data["accent"]
        try:
            return colours.read_colour(text) if text else ""
        except ValueError as fault:
            raise ValidationError(str(fault)) from None

    def clean(self) -> None:
        self.links = []
        for number in range(1, MAX_LINKS + 1):
            texts = {
                code: text
                for code, _name in settings.LANGUAGES
                if (text := self.cleaned_data.get(f"link_{number}_{code}"))
            }
            url = f"link_{number}_url"
            typed = self.cleaned_data.get(url, "")
            if not texts and not typed:
                continue
            try:
                self.links.append({"texts": texts, "url": changes.read_link_url(typed)})
            except ValueError as fault:
                self.add_error(url, str(fault))
            if not texts:
                self.add_error(f"link_{number}_{settings.LANGUAGE_CODE}", "Write a text, too.")

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """The fields of each link."""
        names = [*(code for code, _name in settings.LANGUAGES), "url"]
        for number in range(1, MAX_LINKS + 1):
            yield number, [self[f"link_{number}_{name}"] for name in names]


class OriginsForm(forms.Form):
    """The websites that may show pages in a frame, one on each line."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=MAX_VERSION)
    origins = LinesField(
        label="Websites",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 5, "class": "vLargeTextField"}),
        help_text=(
            "One on each line, such as https://www.seaside.example. Without any, no page can be in "
            "a frame."
        ),
    )

    def clean_origins(self) -> list[str]:
        lines = [line for line in self.cleaned_data["origins"].splitlines() if line.strip()]
        if len(lines) > MAX_ORIGINS:
            raise ValidationError(f"List at most {MAX_ORIGINS} websites.")
        try:
            return list(dict.fromkeys(changes.read_origin(line) for line in lines))
        except ValueError as fault:
            raise ValidationError(str(fault)) from None


class SnippetForm(HotelChoiceForm):
    """Whose guests the snippets lead where, and in which language."""

    language = forms.ChoiceField(required=False, choices=settings.LANGUAGES)


@admin.register(Brand)
class BrandPage(ManagerPage):
    needs = "bookings.view_brand"
    changes = (CHANGE,)
    title = "Brand"
    template = "admin/brand/brand.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("preview/<str:colour>/", self.preview, "preview"),
            self.page("book-now/", self.book_now, "book_now"),
            self.page("embedding/", self.embedding, "embedding"),
            *super().get_urls(),
        ]

    def show(self, request: StaffRequest) -> HttpResponse:
        """Shows the form with what it would look like. A POST saves it, or only looks."""
        brand = read_brand()
        if request.method != "POST":
            return self._page(request, brand, BrandForm(initial=_initial(brand)))
        self.check_may(request, CHANGE)
        is_look = "look" in request.POST
        form = BrandForm(request.POST, {} if is_look else request.FILES)
        if not form.is_valid() or is_look:
            return self._page(request, brand, form)
        values = form.cleaned_data
        names = ("name", "sender_name", "accent", "logo", "icon", "without_logo", "without_icon")
        chosen = {name: values[name] for name in names}
        # Converting may have used up the request's time for MongoDB.
        is_done = deadlines.with_new_budget(
            lambda: changes.change_brand(values["version"], links=form.links, **chosen)
        )
        if not is_done:
            brand = read_brand()
            _show_again(form, brand.version)
            return self._page(request, brand, form)
        note(request, "Changed the brand.", about=Brand(pk=SITE))
        messages.success(request, "The brand is saved. Guests see it from now on.")
        return HttpResponseRedirect(reverse("admin:bookings_brand_changelist"))

    def preview(self, request: HttpRequest, colour: str) -> HttpResponse:
        """The style sheet of the preview."""
        self.check_may(request, self.needs)
        try:
            text = colours.write_preview(colours.read_colour(colour))
        except ValueError:
            raise Http404 from None
        return HttpResponse(text, content_type="text/css; charset=utf-8")

    @method_decorator(require_safe)
    def book_now(self, request: HttpRequest) -> HttpResponse:
        """Shows what a hotel copies into its own website."""
        self.check_may(request, self.needs)
        form = SnippetForm(request, request.GET)
        hotel = form.hotel_to_show()
        form.tell_faults(request)
        language = form.cleaned_data.get("language") or settings.LANGUAGE_CODE
        response = self.render(
            request,
            title="Book now",
            form=SnippetForm(request, initial=_chosen(hotel, language)),
            hotel=hotel,
            url=book_now_url(hotel.id) if hotel else "",
            snippets=write_snippets(hotel.id, language, read_brand()) if hotel else [],
        )
        response.template_name = "admin/brand/book_now.html"  # type: ignore[attr-defined]
        return response

    def embedding(self, request: HttpRequest) -> HttpResponse:
        """Says which websites may show the pages in a frame, and what they copy for it."""
        self.check_may(request, self.needs)
        brand = read_brand()
        initial = {"version": brand.version, "origins": "\n".join(brand.origins)}
        form = OriginsForm(request.POST if request.method == "POST" else None, initial=initial)
        if request.method == "POST":
            self.check_may(request, CHANGE)
            if form.is_valid():
                origins = form.cleaned_data["origins"]
                if changes.set_origins(form.cleaned_data["version"], origins):
                    said = f"Frames: {', '.join(origins) or 'none'}."
                    note(request, said, about=Brand(pk=SITE))
                    messages.success(request, "The websites are saved.")
                    return HttpResponseRedirect(reverse("admin:bookings_brand_embedding"))
                brand = read_brand()
                _show_again(form, brand.version)
        chosen = SnippetForm(request, request.GET)
        hotel = chosen.hotel_to_show()
        chosen.tell_faults(request)
        language = chosen.cleaned_data.get("language") or settings.LANGUAGE_CODE
        response = self.render(
            request,
            title="Embedding",
            form=form,
            chooser=SnippetForm(request, initial=_chosen(hotel, language)),
            brand=brand,
            snippet=write_frame(hotel.id, language) if hotel else "",
            may_change=may(request, CHANGE),
        )
        response.template_name = "admin/brand/embedding.html"  # type: ignore[attr-defined]
        response.status_code = 400 if form.errors else 200
        return response

    def _page(self, request: HttpRequest, brand: BrandFacts, form: BrandForm) -> HttpResponse:
        shown = show_brand(brand)
        typed = form.cleaned_data if form.is_bound else _initial(brand)
        accent: str = typed.get("accent") or ""
        for name in ("logo", "icon"):
            # A browser fills in no file, and the file's own fault says what to do.
            if (file := request.FILES.get(name)) and name not in form.errors:
                field = form[name]
                field.help_text = format_html(
                    "<strong>{} was not saved. Choose the file again.</strong> {}",
                    file.name,
                    field.help_text,
                )
        response = self.render(
            request,
            form=form,
            brand=brand,
            shown=shown,
            name=typed.get("name") or BrandFacts().name,
            accent=colours.shades_of(accent) if accent else None,
            preview_url=reverse("admin:bookings_brand_preview", args=[accent[1:]])
            if accent
            else "",
            schemes=(("light", "A light page"), ("dark", "A dark page")),
            languages=[name for _code, name in settings.LANGUAGES],
            may_change=may(request, CHANGE),
        )
        response.status_code = 400 if form.errors else 200
        return response


def _show_again(form: forms.Form, version: int) -> None:
    """Says that someone else saved first; sent once more, the form is about this version."""
    form.add_error("version", OVERTAKEN)
    data = QueryDict(mutable=True)
    data.update(form.data)
    data["version"] = str(version)
    form.data = data


def _initial(brand: BrandFacts) -> Mapping[str, Any]:
    links = {
        f"link_{number}_{name}": value
        for number, link in enumerate(brand.links, 1)
        for name, value in {**link.texts, "url": link.url}.items()
    }
    return {
        "version": brand.version,
        "name": brand.chosen_name,
        "sender_name": brand.chosen_sender,
        "accent": brand.accent,
        **links,
    }


def _chosen(hotel: HotelFacts | None, language: str) -> dict[str, str]:
    return {"hotel": hotel.id if hotel else "", "language": language}
