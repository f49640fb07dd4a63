"""Forms of the admin keep what was typed when the connection is lost: a script sends each."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from bookings.domain.booking import STAY
from tests.admin.test_permissions import urls  # noqa: F401
from tests.calls import stored

pytestmark = pytest.mark.mongo

SCRIPT = "admin_pages/once.js"
TEMPLATES = Path(settings.BASE_DIR) / "templates" / "admin"

# The forms that the browser sends, by what the page says of them, each with the reason.
ACCEPTED = {
    "/admin/logout/": "it leads to the login, and has no field",
    "/export/": "the answer is a file, and it has no field",
    "/admin/second-factor/": "it has only a code, and some answers lead to pages of the login",
    "/upload/": "photos.js sends the files; without one there is nothing to lose",
    "changelist-form": "some answers are pages with scripts of their own, and it has only ticks",
}
# A window of Django that adds a related object hands it over by a script in the answer.
POPUP = ":has([name=_popup])"


class Forms(HTMLParser):
    """The forms of a page that are sent by POST, and the scripts of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.scripts: list[str] = []
        self.ids: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.ids.add(known.get("id", ""))
        if tag == "form" and known.get("method", "").lower() == "post":
            self.forms.append(known)
        elif tag == "script":
            self.scripts.append(known.get("src", ""))


def is_plain(form: dict[str, str]) -> bool:
    """Whether the script leaves the form to the browser."""
    return "data-plain" in form or form.get("id") == "changelist-form"


def test_is_sent_by_the_script_on_every_page_but_for_a_few_with_a_reason(
    client: Client,
    urls: dict[str, str],  # noqa: F811
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    booking = next(each for each in stored() if each["kind"] == STAY)["_id"]
    pages = [f"/admin/{url}" for url in {*urls.values(), f"desk/guests/{booking}/"}]
    used, seen, faults = set(), 0, []
    for url in sorted(pages):
        response = client.get(url)
        if response.status_code != 200 or "text/html" not in response["Content-Type"]:
            continue
        page = Forms(response.content.decode())
        for form in page.forms:
            seen += 1
            if not is_plain(form):
                if (
                    not any(SCRIPT in script for script in page.scripts)
                    or "content" not in page.ids
                ):
                    faults.append(f"{url}: a form without the script, {form}")
                continue
            address = f"{form.get('id', '')} {form.get('action') or url}"
            reasons = {each for each in ACCEPTED if each in address}
            used |= reasons
            if not reasons:
                faults.append(f"{url}: the browser sends {form}")
    assert faults == []
    assert used == ACCEPTED.keys()
    assert seen > len(pages)


def test_knows_every_form_that_the_script_leaves_to_the_browser() -> None:
    text = (Path(settings.BASE_DIR) / "static" / SCRIPT).read_text()
    (found,) = re.findall(r'^const PLAIN = "(.*)";$', text, re.MULTILINE)
    marked = sorted(
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.rglob("*.html")
        if "data-plain" in path.read_text()
    )

    assert found.split(", ") == ["[data-plain]", "#changelist-form", POPUP]
    assert marked == [
        "base_site.html",
        "desk/person.html",
        "photos/album.html",
        "second_factor/form.html",
    ]
