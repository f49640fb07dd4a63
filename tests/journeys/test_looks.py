"""What the tests of every page rely on to find faults."""

from __future__ import annotations

import pytest

from tests.journeys.looks import NARROW, find_faults
from tests.journeys.visitor import Visitor

# Of the size of a telephone. `main` has a picture without a text, and a line that is too wide.
FAULTY = """<!doctype html><html lang="en"><head><title>Faulty</title></head><body>
  <main><h1>Faulty</h1><img src="data:,"><p style="width: 900px">Wide</p></main>
  <footer><p>Sound</p></footer></body></html>"""


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(("within", "has_broken_rules"), [("", True), ("footer", False)])
def test_names_broken_rules_within_the_part_and_what_is_too_wide(
    visitor: Visitor, within: str, has_broken_rules: bool
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.set_content(FAULTY)

    *broken, element = find_faults(page, "here", within=within)

    assert element.startswith('here: <p style="width: 900px">')
    assert [report.startswith("here: Found ") for report in broken] == [True] * has_broken_rules
    assert ["image-alt" in report for report in broken] == [True] * has_broken_rules
