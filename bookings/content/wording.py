"""Chooses among the texts that an owner wrote in several languages."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.safestring import SafeString

from bookings.content.markdown import render_markdown

# A text by the code of its language, as bookings/models.py stores it.
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Wording:
    """A text that is not empty, in Markdown, and its language."""

    language: str
    text: str

    @property
    def html(self) -> SafeString:
        """The text as safe HTML."""
        return render_markdown(self.text)


def word(texts: Texts, language: str) -> Wording | None:
    """The text in this language, or else in LANGUAGE_CODE, or else in any language of the site.

    None if the owner wrote none of these.
    """
    known = [code for code, _name in settings.LANGUAGES]
    for code in (language, settings.LANGUAGE_CODE, *known):
        if code in known and (text := texts.get(code)):
            return Wording(code, text)
    return None
