"""All texts of a page can be translated: templates and scripts have no words of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Staff's pages stay in English, and names stay as they are.
TEMPLATES = [
    path
    for path in sorted((ROOT / "templates").rglob("*.html"))
    if "admin" not in path.relative_to(ROOT).parts
]
NAMES = ("Bookingsite", ".ics", "Redis", "MongoDB")

# Text between the tags of these two is a comment, or is translated.
PAIRED = re.compile(r"{% (comment|blocktranslate)\b.*?{% end\1 %}", re.S)
TAG = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.S)
READ_ATTRIBUTES = re.compile(
    r'\b(?:aria-label|title|alt|placeholder|content|data-[a-z-]+)="([^"]*)"', re.S
)
WORD = re.compile(r"[^\W\d_]{2,}")

# Attributes that only the browser or a script reads.
NOT_FOR_PEOPLE = ("width=device-width", "light dark", "website", "summary_large_image")


def words_of(html: str) -> list[str]:
    """Returns words that appear in the template unmarked, outside of translated text."""
    bare = TAG.sub(" ", PAIRED.sub(" ", html))
    texts = [text for text in READ_ATTRIBUTES.findall(bare) if not text.startswith(NOT_FOR_PEOPLE)]
    texts.append(re.sub(r"<[^>]*>", " ", re.sub(r"<!--.*?-->", " ", bare, flags=re.S)))
    words = []
    for text in texts:
        for name in NAMES:
            text = text.replace(name, " ")
        words += WORD.findall(re.sub(r"&[a-z]+;", " ", text))
    return words


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_wraps_every_word_of_a_page(template: Path) -> None:
    assert words_of(template.read_text()) == []


def test_finds_words_that_are_not_wrapped() -> None:
    html = '<p aria-label="Hello">{% translate "Well" %} there {{ name }}</p>'

    assert words_of(html) == ["Hello", "there"]


@pytest.mark.parametrize(
    "script", sorted((ROOT / "static").rglob("*.js")), ids=lambda path: path.name
)
def test_leaves_the_words_of_a_script_to_the_page(script: Path) -> None:
    """A string in a script is a name: it has no spaces between words."""
    code = re.sub(r"^\s*//.*$|/\*.*?\*/", "", script.read_text(), flags=re.M | re.S)
    literals = re.findall(r'"((?:[^"\\\n]|\\.)*)"', code)

    sentences = [text for text in literals if re.search(r"[A-Za-z]{2,} [a-z]{2,}", text)]

    assert sentences == []
