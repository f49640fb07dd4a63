"""What people may write: one rule for a line, one for several lines, for every way in.

A name that holds a line break forges a line of a letter or a list, one that holds an escape
sequence redraws the terminal of someone who reads a log, and one that turns the direction of
writing shows another name than it is. So line breaks are for long text alone, control characters
for none, and what is not seen but turns or hides other text is taken out: no one types it, and
telephones put it around the numbers that they copy.

Two joiners that are not seen stay, since Persian, the scripts of India and emoji are spelled with
them.
"""

import re
import unicodedata
from typing import Any, Literal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

# C0 without tab and line feed, DEL, C1; and halves of surrogate pairs, which UTF-8 cannot write.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
_IN_LINES = re.compile(f"[{_CONTROLS}]")
_IN_A_LINE = re.compile(f"[{_CONTROLS}\t\n\u2028\u2029]")
_BREAK = re.compile("\r\n|[\r\u2028\u2029]")
_BLANKS = re.compile(f"[\\s{_CONTROLS}]+")

# Marks of direction (all of Unicode's Bidi_Control), what has no width, annotations, and tags.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)

# Several times what the longest name or address has. Python puts the marks of a letter in order in
# a time that grows with the square of their number, and no other thread runs meanwhile: a form of
# 62 kB took twelve seconds, and a beginning of this length takes milliseconds.
MAX_NORMALISED = 1000

NOT_A_LINE = _("Write this on one line, without tabs or control characters.")
NOT_LINES = _("This has a control character; leave it out.")


class BadText(ValueError):
    """The message is a sentence in English that says what to do; the catalogues translate it."""


def read_line(text: str) -> str:
    """The text as it is kept where one line is meant. Raises BadText."""
    line = _UNSEEN.sub("", text)
    if _IN_A_LINE.search(line):
        raise BadText(NOT_A_LINE)
    return line


def read_lines(text: str) -> str:
    """The text as it is kept where it may be long; lines end in a line feed. Raises BadText."""
    lines = _BREAK.sub("\n", _UNSEEN.sub("", text))
    if _IN_LINES.search(lines):
        raise BadText(NOT_LINES)
    return lines


def normalise(form: Literal["NFC", "NFD", "NFKC"], text: str) -> str:
    """Unicode's normal form of the text; what is longer than any name or address is cut off first.

    For what is compared or searched for, and the only way to normalise: a form's field is as long
    as its sender likes, and is often read before it is judged.
    """
    return unicodedata.normalize(form, text[:MAX_NORMALISED])


def shorten(text: str, length: int) -> str:
    """The beginning of the text, for a list or a message. Django's own normalises all of it."""
    return Truncator(text[:MAX_NORMALISED]).chars(length)


def is_plain_line(text: str) -> bool:
    """Whether the text would be kept as it is; for ids, which must come back as they were sent."""
    return not _IN_A_LINE.search(text) and not _UNSEEN.search(text)


def on_one_line(text: str) -> str:
    """For letters and files: also what was written before there was a rule breaks no line there."""
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
    """Before blanks are stripped from the ends, where what is not seen would guard them."""
    return _UNSEEN.sub("", value) if isinstance(value, str) else value


def _read(value: Any, read: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read(value)
    except BadText as bad:
        raise ValidationError(gettext(str(bad))) from None
