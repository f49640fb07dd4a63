"""The layout of the pages at common widths: a header of two lines, fields in their columns."""

from __future__ import annotations

import pytest

from tests.journeys.looks import overflowing
from tests.journeys.pages import PAGES
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

# The narrowest telephone, small and common ones, each iPhone, and a tablet.
WIDTHS = (320, 360, 375, 390, 414, 768)

# Rows whose middles are near each other count as one line.
HEADER_LINES = """() => {
  const middles = [...document.querySelectorAll(".bar a, .bar button, .bar .who")]
    .map((element) => element.getBoundingClientRect())
    .map((box) => (box.top + box.bottom) / 2)
    .sort((one, other) => one - other);
  return middles.filter((middle, at) => at === 0 || middle - middles[at - 1] > 8).length;
}"""

# Each field with its container, and with its neighbours. A date needs room for its button.
BADLY_LAID = """() => {
  const box = (element) => element.getBoundingClientRect();
  const fields = [...document.querySelectorAll("main input, main select, main textarea")]
    .filter((field) => field.type !== "hidden" && box(field).width > 0);
  const probe = document.createElement("input");
  probe.type = "date";
  probe.style.width = "auto";
  document.body.append(probe);  // where nothing stretches it
  const dateNeeds = box(probe).width;
  probe.remove();
  const found = [];
  for (const field of fields) {
    const own = box(field);
    const around = box(field.parentElement);
    if (own.right > around.right + 0.5 || own.left < around.left - 0.5) {
      found.push(`${field.name} leaves its column`);
    }
    if (field.type === "date" && own.width < dateNeeds - 0.5) found.push(`${field.name} is cut`);
    for (const other of fields) {
      const its = box(other);
      if (field !== other && own.left < its.right - 0.5 && its.left < own.right - 0.5
          && own.top < its.bottom - 0.5 && its.top < own.bottom - 0.5) {
        found.push(`${field.name} covers ${other.name}`);
      }
    }
  }
  return found;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("name", PAGES)
def test_lays_every_page_out_on_every_width_in_both_languages(visitor: Visitor, name: str) -> None:
    PAGES[name](visitor)
    page = visitor.page

    faults = []
    for language in ("en", "de"):
        if language == "de":
            switch = page.get_by_role("button", name="Deutsch")
            if not switch.count():
                continue
            switch.click()
            page.wait_for_load_state()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            where = f"{language}, {width} px"
            if (lines := page.evaluate(HEADER_LINES)) > 2:
                faults.append(f"{where}: the header has {lines} lines")
            faults += [f"{where}: {fault}" for fault in page.evaluate(BADLY_LAID)]
            faults += [f"{where}: {element}" for element in overflowing(page)]

    assert faults == []
