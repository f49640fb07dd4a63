"""Reads pages as a person does: their forms and their text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form as a browser would send it, with nothing more typed in."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page as a person sees it; `files` are its style and icon, `status` its status region."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.files: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.inline: list[str] = []  # scripts and styles in the page itself
        self._texts: list[str] = []
        self._status: list[str] = []
        self._status_depth = 0
        self._link: str | None = None
        self._formactions: list[str] = []
        self._textarea: str | None = None
        self._select: str | None = None
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    @property
    def status(self) -> str:
        return " ".join(" ".join(self._status).split())

    def forms_to(self, action: str) -> list[Form]:
        return [form for form in self.forms if form.action == action]

    def form_to(self, action: str) -> Form:
        """Returns the form that goes there; there is exactly one."""
        (form,) = self.forms_to(action)
        return form

    def hold_form(self, category: str) -> Form:
        """Returns the form that holds a room of the category; there is exactly one."""
        (form,) = [form for form in self.forms_to("/hold") if form.fields["category"] == category]
        return form

    @property
    def holdable(self) -> list[str]:
        """The categories that can be held from this page."""
        return [form.fields["category"] for form in self.forms_to("/hold")]

    @property
    def buttons(self) -> list[str]:
        """The targets of the buttons that send their form elsewhere."""
        return self._formactions

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= values.keys()
        is_data = values.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in values and not is_data):
            self.inline.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
        elif tag == "input" and "name" in values:
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "button" and "formaction" in values:
            self._formactions.append(values["formaction"])
        elif tag == "textarea":
            self._textarea = values["name"]
            self.forms[-1].fields[self._textarea] = ""
        elif tag == "select":
            self._select = values["name"]
        elif tag == "option" and self._select is not None:
            if "selected" in values or self._select not in self.forms[-1].fields:
                self.forms[-1].fields[self._select] = values["value"]
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.files.append(values.get("href", ""))
        elif tag == "a":
            self._link = values.get("href", "")
        elif tag == "div" and (self._status_depth or values.get("role") == "status"):
            self._status_depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None
        elif tag == "div" and self._status_depth:
            self._status_depth -= 1

    def handle_data(self, data: str) -> None:
        self._texts.append(data)
        if self._textarea is not None:
            self.forms[-1].fields[self._textarea] += data
        if self._status_depth:
            self._status.append(data)
        if self._link is not None and data.strip():
            self.links[data.strip()] = self._link
