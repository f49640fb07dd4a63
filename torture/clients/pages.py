"""A browser without a screen: cookies, redirects, and forms as a browser would send them."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from torture.clients.sending import PATIENCE_S, Connection, Reply

# A page leads to the next one, which may lead to the login; more than that is a circle.
MOST_REDIRECTS = 4

SITE = "https://127.0.0.1"

# Both the guests' pages and the admin name the kind of a message in its class.
LEVELS = ("error", "warning", "success", "info")

# Beside the box of a room.
NOT_FREE = "not free"

# In the page for an outage, whatever was asked.
OUTAGE = "isn’t responding"


@dataclass
class Form:
    """A form as the page shows it. `buttons` are what pressing each would add to the fields, and
    `targets` where buttons send it instead. `choices` are the values of its lists and boxes, and
    `taken` those of them that the page calls not free."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def value(self, name: str) -> str:
        """What the field has now, "" without such a field."""
        return next((value for each, value in self.fields if each == name), "")

    def fill(self, **typed: str | list[str]) -> list[tuple[str, str]]:
        """The fields with these values typed or chosen; an empty list leaves a field out."""
        kept = [each for each in self.fields if each[0] not in typed]
        for name, value in typed.items():
            kept += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        return kept


class Page(HTMLParser):
    """What a person would do with a page: its forms, its links, and what it says."""

    def __init__(self, html: str, url: str = "") -> None:
        super().__init__()
        self.url = url
        self.path = urlsplit(url).path
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.title = ""
        self._form: Form | None = None
        self._textarea: str | None = None
        self._select: str | None = None
        # The element whose text is being read, its level, and how many of its kind are open.
        self._reading: tuple[str, str] | None = None
        self._depth = 0
        self._texts: list[str] = []
        self._lists: list[bool] = []
        self._box = ""
        self.feed(html)
        self.close()

    def form_to(self, path: str) -> Form | None:
        """The first form that goes there, or has a button that does."""
        for form in self.forms:
            if form.action == path or path in form.targets:
                return form
        return None

    @property
    def keyed(self) -> Form | None:
        """The form of the admin that acts once: the one with a key and no place of its own."""
        for form in self.forms:
            if not form.action and form.method == "post":
                return form
        return None

    def sentences(self, *levels: str) -> list[str]:
        return [text for level, text in self.said if level in levels]

    # --- Parsing --------------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        if tag == "form":
            self._form = Form(values.get("action", ""), values.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "ul":
            self._lists.append("errorlist" in classes)
        if self._form is not None and "disabled" not in values:
            self._take_control(tag, values)
        if self._reading:
            self._depth += tag == self._reading[0]
        elif tag in ("p", "li", "h1"):
            found = [level for level in LEVELS if level in classes]
            if tag == "li" and self._lists and self._lists[-1]:
                found = ["error"]
            if tag == "h1":
                found = ["heading"]
            if found:
                self._reading, self._depth, self._texts = (tag, found[0]), 1, []

    def _take_control(self, tag: str, values: dict[str, str]) -> None:
        assert self._form is not None
        name, kind = values.get("name", ""), values.get("type", "text")
        if tag == "input" and name:
            if kind in ("submit", "button", "image", "reset"):
                self._form.buttons.append((name, values.get("value", "")))
            elif kind in ("checkbox", "radio"):
                value = values.get("value", "on")
                self._form.choices.setdefault(name, []).append(value)
                self._box = value
                if "checked" in values:
                    self._form.fields.append((name, value))
            else:
                self._form.fields.append((name, values.get("value", "")))
        elif tag == "button":
            if name:
                self._form.buttons.append((name, values.get("value", "")))
            if "formaction" in values:
                self._form.targets.append(values["formaction"])
        elif tag == "textarea" and name:
            self._textarea = name
            self._form.fields.append((name, ""))
        elif tag == "select" and name:
            self._select = name
            # Without a chosen option, a browser sends the first.
            self._is_first = True
        elif tag == "option" and self._select is not None:
            value = values.get("value", "")
            self._form.choices.setdefault(self._select, []).append(value)
            if self._is_first:
                self._form.fields.append((self._select, value))
            elif "selected" in values:
                self._form.fields[-1] = (self._select, value)
            self._is_first = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None
        elif tag == "ul" and self._lists:
            self._lists.pop()
        if self._reading and tag == self._reading[0]:
            self._depth -= 1
            if not self._depth:
                level, text = self._reading[1], " ".join("".join(self._texts).split())
                self._reading = None
                if level == "heading":
                    self.title = self.title or text
                elif text:
                    self.said.append((level, text))

    def handle_data(self, data: str) -> None:
        if self._textarea is not None and self._form is not None:
            name, value = self._form.fields[-1]
            # HTML drops a line break right after the tag.
            self._form.fields[-1] = (name, value + (data if value else data.removeprefix("\n")))
        if self._form is not None and data.strip() == NOT_FREE:
            self._form.taken.append(self._box)
        if self._reading:
            self._texts.append(data)


LOGIN, SESSION = "/admin/login/", "sessionid"


@dataclass
class Jar:
    """A browser's cookies, which its tabs share."""

    cookies: dict[str, str] = field(default_factory=dict)
    # What staff do whom a page sends to the login.
    log_in: Callable[[], None] = lambda: None
    # What guests with an account do whom the site no longer knows.
    come_back: Callable[[], None] | None = None
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def header(self) -> str:
        with self._mutex:
            return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def take(self, lines: Iterable[str]) -> None:
        """Keeps or forgets what the site's answer says."""
        with self._mutex:
            for line in lines:
                pair, _, attributes = line.partition(";")
                name, _, value = pair.strip().partition("=")
                if "max-age=0" in attributes.lower() or value in ("", '""'):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value

    def drop(self, name: str) -> None:
        with self._mutex:
            self.cookies.pop(name, None)


@dataclass
class Browser:
    """A tab: one connection to the site, with cookies that other tabs may share."""

    ports: tuple[int, ...]
    dice: random.Random
    jar: Jar = field(default_factory=Jar)

    def __post_init__(self) -> None:
        self._connection = Connection(self.ports, self.dice)

    def another_tab(self) -> Browser:
        return Browser(self.ports, random.Random(self.dice.random()), self.jar)

    def close(self) -> None:
        self._connection.close()

    def open(self, path: str) -> tuple[int, Page | None]:
        """The status and the page that a path leads to; (0, None) if no whole answer came, or
        only more redirects."""
        for _ in range(MOST_REDIRECTS):
            reply = self.ask("GET", path)
            if reply is None:
                break
            if reply.status not in (301, 302, 303):
                return reply.status, page_of(reply, path)
            path = follow(path, reply)
        return 0, None

    def send(
        self,
        path: str,
        fields: list[tuple[str, str]],
        *,
        is_scripted: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> Reply | None:
        """Sends a form, by the browser itself or as the pages' script does."""
        return self.ask(
            "POST",
            path,
            body=urlencode(fields).encode(),
            accept="application/json" if is_scripted else "text/html",
            patience_s=patience_s,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        accept: str = "text/html",
        patience_s: float = PATIENCE_S,
    ) -> Reply | None:
        headers = {
            "Accept": accept,
            "Accept-Language": "en",
            "Cookie": self.jar.header(),
            # People send from many addresses, so the limits for one address do not meet them.
            "X-Forwarded-For": ".".join(["10", *(str(self.dice.randrange(256)) for _ in "abc")]),
        }
        if body is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": SITE,
                "Referer": f"{SITE}{path}",
            }
        was_known = SESSION in self.jar.cookies
        reply = self._connection.ask(
            method, path, headers=headers, body=body, patience_s=patience_s
        )
        if reply is not None:
            self.jar.take(reply.cookies)
            is_known = SESSION in self.jar.cookies or not was_known
            if self.jar.come_back and not is_known and reply.status < 500:
                # A session gets another id when the secret has changed, and the answer that said so
                # was lost. What the site told a stranger is no answer to this guest.
                self.jar.come_back()
                return None
            if reply.headers.get("location", "").startswith(LOGIN):
                self.jar.log_in()
        return reply


def page_of(reply: Reply, path: str) -> Page | None:
    """The page in a reply; None if it is none."""
    if "text/html" not in reply.headers.get("content-type", ""):
        return None
    return Page(reply.body.decode("utf-8", "replace"), path)


def follow(path: str, reply: Reply) -> str:
    """Where a reply leads to, without the site's own name."""
    parts = urlsplit(urljoin(f"{SITE}{path}", reply.headers.get("location", "")))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def json_of(reply: Reply) -> dict[str, Any] | None:
    """What the site told the pages' script; None if the reply is a page."""
    if "application/json" not in reply.headers.get("content-type", ""):
        return None
    said = json.loads(reply.body)
    return said if isinstance(said, dict) else None


def code_of_outage(reply: Reply) -> str:
    """The code of a 503, which pages say in words; "" for other errors."""
    is_outage = reply.status == 503 and OUTAGE in reply.body.decode("utf-8", "replace")
    return "TRY_AGAIN" if is_outage else ""
