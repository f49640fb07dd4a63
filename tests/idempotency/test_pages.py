"""The pages about the layer hold: the reference is current, and what they name is there."""

from __future__ import annotations

import re

import pytest

from tests.idempotency import reference
from tests.site import ROOT

FOLDER = ROOT / "docs" / "idempotency"

# A test by its file and name, as a page names it.
NAMED = re.compile(r"\(\.\./\.\./(tests/[\w/]+\.py)\)[^(]*?`(test_\w+)`")


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.core)
def test_lists_the_interface_as_it_is(page: reference.Reference) -> None:
    written = page.path.read_text(encoding="utf-8")

    assert written == page.page(), "run .venv/bin/python -m tests.idempotency.reference"


def test_names_every_race_with_tests_that_are_there() -> None:
    text = (FOLDER / "races.md").read_text(encoding="utf-8")
    races = re.split(r"^## (?=\d)", text, flags=re.MULTILINE)[1:]

    assert len(races) == 5
    for race in races:
        named = NAMED.findall(race)
        assert named, race.splitlines()[0]
        missing = [
            name for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")
        ]
        assert missing == []


@pytest.mark.parametrize("heading", ["Idempotency", "Locks"])
def test_compares_on_every_point_with_everyone(heading: str) -> None:
    text = (FOLDER / "comparison.md").read_text(encoding="utf-8")
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    columns = {line.count("|") for line in rows if line.count("|") > 4}

    assert len(columns) == 1
    assert not [line for line in rows if re.search(r"\|\s*\|", line)]
    marks = [re.findall(r"\(([a-z]\d+)\)", piece) for piece in ("\n".join(rows), part)]
    told = {mark for mark in marks[0] if marks[1].count(mark) > marks[0].count(mark)}
    assert set(marks[0]) - told == set(), "each claim names its source"
