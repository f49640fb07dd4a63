"""Turns the owner's Markdown into HTML that may stand in any page or mail.

The owner's texts are shown to strangers, and their author may not own the site: a text must not
become a script, load anything, or look like a part of the page. So the parser knows only what is
listed here. Everything else, HTML included, is shown as it was typed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bookings.models import LONG_TEXT, SHORT_TEXT

# A page's own headings are h1 and h2.
FIRST_HEADING, LAST_HEADING = 3, 6

# A list in a list counts 2. What is deeper than this is left out.
MAX_NESTING = 20

# No one needs emphasis in emphasis in emphasis; browsers lay deep trees out slowly.
MAX_EMPHASIS = 4

# Texts whose HTML a process keeps, at most SHORT_TEXT long: pages show a few of each hotel. Legal
# texts are longer, and seldom read. A text of quotes alone takes 75 kB as HTML.
KEPT_TEXTS = 100

# A web address without a user, which could look like the host.
_ALLOWED_LINK = re.compile(r"(?:https?://[^/?#@\\]+(?:[/?#]|\Z)|mailto:.|tel:.)", re.IGNORECASE)


class _Parser(MarkdownIt):
    """Knows paragraphs, line breaks, headings, lists, emphasis and links.

    It does not know reference links, since they are found far from where they are read, nor
    entities, since `&#x202e;` would bring back what the rules for texts remove.
    """

    def __init__(self) -> None:
        super().__init__("zero", {"breaks": True, "maxNesting": MAX_NESTING})
        self.enable(["heading", "list", "newline", "emphasis", "link", "autolink", "escape"])
        self.enable("text_join")

    def validateLink(self, url: str) -> bool:
        """Whether the link has one of the schemes that we allow, after it was decoded."""
        return _ALLOWED_LINK.match(url) is not None

    def normalizeLinkText(self, link: str) -> str:
        """The text of `<https://example.org>`, as typed; the library would decode %E2%80%AE."""
        return link


_parser = _Parser()


def render_markdown(text: str) -> SafeString:
    """The text as HTML.

    It has no tags but p, br, h3 to h6, ul, ol, li, em, strong and a, and no attributes but `href`
    and `rel` of a, and `start` of ol. Of a text that is longer than any field allows, it renders
    the beginning.
    """
    if len(text) > SHORT_TEXT:
        return _render(text[:LONG_TEXT])
    return _render_kept(text)


@lru_cache(maxsize=KEPT_TEXTS)
def _render_kept(text: str) -> SafeString:
    return _render(text)


def _render(text: str) -> SafeString:
    tokens = _parser.parse(text)
    level = FIRST_HEADING - 1
    for token in tokens:
        if token.type == "heading_open":
            # Never two levels further at once: people would look for the one between.
            wanted = int(token.tag.removeprefix("h")) + FIRST_HEADING - 1
            level = min(wanted, level + 1, LAST_HEADING)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{level}"
        _make_links_plain(token.children or ())
        _flatten(token.children or ())
    html: str = _parser.renderer.render(tokens, _parser.options, {})
    return mark_safe(html)


def _make_links_plain(tokens: Iterable[Token]) -> None:
    """Gives search engines no reason to follow a link, and readers no title that hides it.

    Of `[words]()` it leaves the words: an empty link leads to the page that it is on.
    """
    is_empty = False
    for token in tokens:
        if token.type == "link_open":
            token.hidden = is_empty = not token.attrs["href"]
            token.attrs = {"href": token.attrs["href"], "rel": "noopener nofollow"}
        elif token.type == "link_close":
            token.hidden = is_empty


def _flatten(tokens: Iterable[Token]) -> None:
    """Leaves out emphasis that is too deep, but not its text."""
    depth = 0
    for token in tokens:
        if token.type in ("em_open", "strong_open"):
            depth += 1
            token.hidden = depth > MAX_EMPHASIS
        elif token.type in ("em_close", "strong_close"):
            token.hidden = depth > MAX_EMPHASIS
            depth -= 1


def plain_text(text: str) -> str:
    """The words of the text on one line, without any marks, for places that show no HTML."""
    blocks = _parser.parse(text[:LONG_TEXT])
    return " ".join(
        " ".join("".join(_words(block.children or ())).split())
        for block in blocks
        if block.type == "inline"
    )


def lines_of(text: str) -> str:
    """The text for a mail without HTML: its lines, lists and addresses, without any marks."""
    lines: list[str] = []
    lists: list[_List] = []
    is_apart = False
    for token in _parser.parse(text[:LONG_TEXT]):
        if token.type.endswith("_list_open"):
            start = int(token.attrs.get("start", 1)) if token.type.startswith("ordered") else None
            lists.append(_List(start))
        elif token.type.endswith("_list_close"):
            lists.pop()
            is_apart = is_apart or not lists
        elif token.type == "list_item_open":
            lists[-1].begin_item()
        elif token.type == "inline":
            if is_apart and lines:
                lines.append("")
            is_apart = False
            for line in "".join(_words_and_links(token.children or ())).split("\n"):
                indent = "".join(each.take_mark() for each in lists)
                lines.append(f"{indent}{line.strip()}".rstrip())
        elif token.type in ("paragraph_close", "heading_close"):
            # The parser hides the paragraphs of a list whose items have no lines between them.
            is_apart = not token.hidden
    return "\n".join(lines)


@dataclass
class _List:
    """A list that is being written. `number` is that of its next item, and None for bullets."""

    number: int | None
    _mark: str = ""
    _is_written: bool = False

    def begin_item(self) -> None:
        self._mark, self._is_written = "- ", False
        if self.number is not None:
            self._mark = f"{self.number}. "
            self.number += 1

    def take_mark(self) -> str:
        """The mark of the item for its first line, and as many blanks for the others."""
        if self._is_written:
            return " " * len(self._mark)
        self._is_written = True
        return self._mark


def _words_and_links(tokens: Iterable[Token]) -> Iterable[str]:
    """The words, and after those of each link its address, unless they are the same."""
    address, words = "", ""
    for token in tokens:
        if token.type == "link_open":
            address, words = str(token.attrs["href"]), ""
        elif token.type == "link_close":
            shown = address.removeprefix("mailto:").removeprefix("tel:")
            if address and words not in (address, shown):
                yield f" ({shown})" if words else shown
        else:
            word = "\n" if token.type in ("softbreak", "hardbreak") else token.content
            words += word
            yield word


def _words(tokens: Iterable[Token]) -> Iterable[str]:
    for token in tokens:
        yield " " if token.type in ("softbreak", "hardbreak") else token.content
