"""CSV: cells that a spreadsheet would run are guarded, and everything comes back unchanged."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.infrastructure.spreadsheets import guard, unguard, write_csv


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-1"])
def test_guards_what_a_spreadsheet_would_run(cell: str) -> None:
    assert guard(cell) == f"'{cell}"
    assert unguard(guard(cell)) == cell


@pytest.mark.parametrize("cell", ["", "120.00", "'", "'s-Gravenhage", "a=1", "2027-02-15"])
def test_leaves_other_cells_alone(cell: str) -> None:
    assert guard(cell) == cell
    assert unguard(cell) == cell


@given(st.lists(st.text(st.sampled_from("'=+-@\t\ra\";, \n")), min_size=1, max_size=4))
def test_gives_back_every_cell(cells: list[str]) -> None:
    text = b"".join(write_csv([cells])).decode("utf-8-sig")

    (row,) = csv.reader(io.StringIO(text, newline=""), strict=True)

    assert [unguard(cell) for cell in row] == cells


def test_begins_with_a_byte_order_mark_and_ends_lines_as_the_standard_says() -> None:
    assert (
        b"".join(write_csv([["ä", 1], ['"', None or ""]]))
        == ("\ufeffä,1\r\n" + '"""",\r\n').encode()
    )


def test_holds_no_more_than_some_lines() -> None:
    asked = 0

    def rows() -> object:
        nonlocal asked
        for asked in range(1, 100_001):  # noqa: B007  read outside
            yield ["x"]

    chunks = write_csv(rows())
    next(chunks)

    assert asked < 1_000
