"""The catalogues of locale/ match pages and letters, in every language, and are compiled."""

from __future__ import annotations

import re
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from django.conf import settings

from tests.translations import (
    ROOT,
    catalogue_paths,
    compile_catalogue,
    is_translated,
    read,
    read_texts,
)

PATHS = catalogue_paths()
EACH = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parts[-3])

# The placeholders that Python fills in, and those of the pages' scripts.
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|(?<!%)\{\w+\}|</?\w+>|\|")


def messages_of(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def spelled(message: Message) -> tuple[object, object]:
    return message.context, message.id


def forms(text: object) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (str(text),)


def placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def fills_in_the_same(english: tuple[str, ...], local: tuple[str, ...]) -> bool:
    """The singular may omit its number, as `one night` does."""
    wanted = placeholders(english[-1])
    return placeholders(local[-1]) == wanted and all(
        set(placeholders(form)) <= set(wanted) for form in local
    )


def faults(catalogue: Catalog) -> list[str]:
    """Returns the faults within a catalogue, by their text."""
    found = []
    for message in messages_of(catalogue):
        english, local = forms(message.id), forms(message.string)
        if message.fuzzy:
            found.append(f"guessed: {english[0]}")
        if not is_translated(message):
            found.append(f"untranslated: {english[0]}")
        elif len(english) > 1 and len(local) != catalogue.num_plurals:
            found.append(f"plural: {english[0]}")
        elif not fills_in_the_same(english, local):
            found.append(f"placeholders: {english[0]}")
        elif any("\n" in form or form != form.strip() for form in local):
            found.append(f"blanks: {english[0]}")
    found += [f"obsolete: {forms(message.id)[0]}" for message in catalogue.obsolete.values()]
    return found


def test_has_a_catalogue_for_every_language_but_the_one_that_texts_are_written_in() -> None:
    assert settings.LOCALE_PATHS == [ROOT / "locale"]
    languages = {path.parts[-3] for path in PATHS}

    assert languages == dict(settings.LANGUAGES).keys() - {settings.LANGUAGE_CODE}


@EACH
def test_has_every_text_of_the_sources_and_no_other(path: Path) -> None:
    """`make messages` updates it."""
    known = {spelled(message) for message in messages_of(read(path))}
    said = {spelled(message) for message in messages_of(read_texts())}

    assert len(said) > 400
    assert known - said == set()
    assert said - known == set()


@EACH
def test_translates_every_text_with_all_that_is_filled_in(path: Path) -> None:
    assert faults(read(path)) == []


@EACH
def test_is_compiled_as_it_is_written(path: Path) -> None:
    """`make messages` compiles it; neither the image nor a workstation has to."""
    stored = GNUTranslations(BytesIO(path.with_suffix(".mo").read_bytes()))
    compiled = GNUTranslations(BytesIO(compile_catalogue(read(path))))

    assert stored._catalog == compiled._catalog  # type: ignore[attr-defined]
    assert stored.info()["plural-forms"] == compiled.info()["plural-forms"]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('msgid "Room"\nmsgstr ""', "untranslated"),
        ('#, fuzzy\nmsgid "Room"\nmsgstr "Zimmer"', "guessed"),
        ('#~ msgid "Room"\n#~ msgstr "Zimmer"', "obsolete"),
        ('msgid "%(n)s left"\nmsgstr "noch n"', "placeholders"),
        ('msgid "{n} left"\nmsgstr "noch {m}"', "placeholders"),
        ('msgid "short|long"\nmsgstr "kurz und lang"', "placeholders"),
        ('msgid "a"\nmsgid_plural "%(n)s"\nmsgstr[0] "%(m)s"\nmsgstr[1] "%(n)s"', "placeholders"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] ""', "untranslated"),
        ('msgid "Room"\nmsgstr "Zimmer "', "blanks"),
    ],
)
def test_finds_what_is_wrong_with_a_catalogue(tmp_path: Path, written: str, fault: str) -> None:
    path = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    header = PATHS[0].read_text(encoding="utf-8").partition("\n\n")[0]
    path.write_text(f"{header}\n\n{written}\n", encoding="utf-8")

    (found,) = faults(read(path))

    assert found.startswith(f"{fault}: ")


def test_reads_the_texts_of_templates_and_of_python() -> None:
    texts = {spelled(message) for message in messages_of(read_texts())}

    assert (None, "My bookings") in texts  # {% translate %}
    assert (
        None,
        "The deadline for cancelling here was %(time)s. Please contact the hotel.",
    ) in texts
    assert (None, ("Room", "Rooms")) in texts  # with {% plural %}
    assert (None, "l j F Y") in texts  # date:_("…")
    assert (None, "Your new password") in texts  # gettext()
    assert (None, "Booked") in texts  # gettext_lazy()
    assert ("currency", "EUR") in texts  # pgettext()
    assert not any(
        "admin" in location for message in read_texts() for location, _ in message.locations
    )
