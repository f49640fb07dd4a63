"""Tables that commands write into a page, between two marker lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

END = "<!-- to here -->"


class NoFigures(Exception):
    """A file or page cannot be used; the message says why."""


def begin_of(command: str) -> str:
    """The line after which this command writes."""
    return f"<!-- Written by {command} from here -->"


def read_json(file: Path, *, with_names: Sequence[str]) -> dict[str, Any]:
    """What a run has written. Raises NoFigures if the file has none, or not these names."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise NoFigures(
            f"{file} cannot be read ({error.strerror}); name what a run has written."
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= {*with_names}:
        raise NoFigures(f"{file} was not written by a run; name another file.")
    return found


def show(make_tables: Callable[[], str], *, begin: str, page: Path | None) -> int:
    """Prints the tables, or has them replace those of the page after the line `begin`.

    Returns 2 and says why if there are no figures, or the page has not both markers.
    """
    try:
        tables = make_tables()
        if page:
            text = page.read_text(encoding="utf-8")
            page.write_text(_replace_between(text, tables, begin), encoding="utf-8")
        else:
            print(tables)  # noqa: T201
    except NoFigures as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        said = f"{page} cannot be written ({error.strerror}); name another page."
        print(said, file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _replace_between(page: str, tables: str, begin: str) -> str:
    before, found, rest = page.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise NoFigures(f"The page needs these two lines: {begin} and {END}")
    return f"{before}{begin}\n\n{tables}\n\n{END}{after}"
