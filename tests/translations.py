"""Updates the catalogues of locale/ with the texts of pages and letters, and compiles them.

`make messages` calls it. It removes texts that no page uses, adds new ones untranslated, and
guesses nothing. It reads the same texts as Django's own `makemessages`, without its gettext tools.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]

KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def main() -> None:
    """Rewrites each language's two files, and prints which texts are still untranslated."""
    for path in catalogue_paths():
        catalogue = read(path)
        catalogue.update(read_texts(), no_fuzzy_matching=True, update_creation_date=False)
        header = path.read_text(encoding="utf-8").partition("\n\n")[0]
        with path.open("wb") as file:
            file.write(f"{header}\n\n".encode())
            # No line numbers: two branches that each add a text would conflict in all of them.
            write_po(
                file,
                catalogue,
                width=98,
                omit_header=True,
                ignore_obsolete=True,
                include_lineno=False,
            )
        path.with_suffix(".mo").write_bytes(compile_catalogue(read(path)))
        left = [message.id for message in catalogue if message.id and not is_translated(message)]
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(catalogue)} texts, {len(left)} to do\n")
        sys.stdout.writelines(f"  {text}\n" for text in left)


def catalogue_paths() -> list[Path]:
    return sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], domain="django", abort_invalid=True)


def compile_catalogue(catalogue: Catalog) -> bytes:
    """Returns the bytes of the .mo file."""
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    return compiled.getvalue()


def is_translated(message: object) -> bool:
    texts = message.string  # type: ignore[attr-defined]
    return all(texts) if isinstance(texts, tuple) else bool(texts)


def read_texts() -> Catalog:
    """Returns every text that pages and letters mark for translation, with its files."""
    texts = Catalog()
    for path, source in _read_sources():
        for _, text, _, context in extract("python", BytesIO(source.encode()), KEYWORDS):
            texts.add(text, locations=[(path.relative_to(ROOT).as_posix(), 1)], context=context)
    return texts


def _read_sources() -> Iterator[tuple[Path, str]]:
    """Returns the files as Python. Pages for staff stay in English."""
    for folder, pattern in (("bookings", "*.py"), ("templates", "*.html"), ("templates", "*.txt")):
        for path in sorted((ROOT / folder).rglob(pattern)):
            if "admin" in path.relative_to(ROOT).parts:
                continue
            source = path.read_text(encoding="utf-8")
            # The brackets keep Python from reading a template's indentation as its own.
            yield path, source if path.suffix == ".py" else f"({templatize(source)})"


if __name__ == "__main__":
    main()
