"""Rules for text from people: one rule for a line, one for several lines, at every entrance.

A name with a line break can forge a line in a mail or a list. A name with an escape sequence can
redraw the terminal of someone who reads a log. A name that changes the direction of writing is
displayed as another name. So only long texts may have line breaks, and no text may have control
characters. Invisible characters that turn or hide other text are removed without an error: no one
types them, and telephones put them around the numbers that they copy.

Two invisible joiners stay, since Persian, Indian scripts and emoji need them.
"""

import re
import unicodedata
from typing import Any, Literal

from anyascii import anyascii
from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import Truncator, slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

# C0 except tab and line feed, DEL, C1; and halves of surrogate pairs, which UTF-8 cannot encode.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
_IN_LINES = re.compile(f"[{_CONTROLS}]")
_IN_A_LINE = re.compile(f"[{_CONTROLS}\t\n\u2028\u2029]")
_BREAK = re.compile("\r\n|[\r\u2028\u2029]")
_BLANKS = re.compile(f"[\\s{_CONTROLS}]+")

# Marks of direction (all of Unicode's Bidi_Control), characters without width, annotations, tags.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)

# Several times the length of the longest name or address. Python sorts the marks of a letter in
# quadratic time, and holds the GIL meanwhile: a form of 62 kB took twelve seconds. A text of this
# length takes milliseconds.
MAX_NORMALISED = 1000

NOT_A_LINE = _("Write this on one line, without tabs or control characters.")
NOT_LINES = _("This has a control character; leave it out.")


class BadText(ValueError):
    """The message is an English sentence that says what to do; gettext translates it."""


def read_line(text: str) -> str:
    """A text of one line as it is stored. Raises BadText."""
    line = _UNSEEN.sub("", text)
    if _IN_A_LINE.search(line):
        raise BadText(NOT_A_LINE)
    return line


def read_lines(text: str) -> str:
    """A text of several lines as it is stored, with line feeds. Raises BadText."""
    lines = _BREAK.sub("\n", _UNSEEN.sub("", text))
    if _IN_LINES.search(lines):
        raise BadText(NOT_LINES)
    return lines


def normalise(form: Literal["NFC", "NFD", "NFKC"], text: str) -> str:
    """Unicode's normal form of the first MAX_NORMALISED characters, for comparing and searching.

    All code normalises through this function: a form's field may have any length, and is often
    normalised before it is judged.
    """
    return unicodedata.normalize(form, text[:MAX_NORMALISED])


def shorten(text: str, length: int) -> str:
    """The text, shortened for a list or a message. Django's own function normalises all of it."""
    return Truncator(text[:MAX_NORMALISED]).chars(length)


def to_id(text: str) -> str:
    """The text in small letters, digits and hyphens, for a part of an id; may be empty."""
    return slugify(anyascii(normalise("NFKC", text)).replace("_", "-"))


def is_plain_line(text: str) -> bool:
    """Whether `read_line` would change nothing; for ids, which must come back as they were sent."""
    return not _IN_A_LINE.search(text) and not _UNSEEN.search(text)


def on_one_line(text: str) -> str:
    """The text without line breaks, for mails and files. It also accepts texts that were stored
    before these rules."""
    return _BLANKS.sub(" ", _UNSEEN.sub("", text)).strip()


class LineField(forms.CharField):
    """A text of one line."""

    def to_python(self, value: Any) -> Any:
        return _read(super().to_python(_without_unseen(value)), read_line)


class LinesField(forms.CharField):
    """A text of several lines."""

    def to_python(self, value: Any) -> Any:
        return _read(super().to_python(_without_unseen(value)), read_lines)


def _without_unseen(value: Any) -> Any:
    """Removes invisible characters before Django strips blanks, since they would protect those."""
    return _UNSEEN.sub("", value) if isinstance(value, str) else value


def _read(value: Any, read: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read(value)
    except BadText as bad:
        raise ValidationError(gettext(str(bad))) from None
