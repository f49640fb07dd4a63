"""Nights as CSV: writes files, and checks a whole file before any of it is imported.

A file is accepted whole or not at all. Faults are reported by line and column.
"""

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HORIZON_DAYS, CategoryFacts, HotelFacts
from bookings.catalogue.nights import MAX_ROWS, NightRow
from bookings.domain.money import count_digits, read_amount, write_amount
from bookings.domain.stay_request import MAX_NIGHTS
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.spreadsheets import unguard, write_csv
from bookings.infrastructure.texts import shorten
from bookings.models import MAX_NIGHT_PRICE

COLUMNS = (
    "hotel",
    "category",
    "date",
    "price",
    "closed",
    "min_stay",
    "closed_to_arrival",
    "closed_to_departure",
)
NEEDED = ("category", "date")
SETTING = COLUMNS[3:]

# About a hundred bytes for each of MAX_ROWS rows.
MAX_BYTES = 10_000_000

# Last year's nights can be exported and imported again, although they are no longer sold.
PAST_DAYS = 366

MAX_FAULTS_SHOWN = 20

SEPARATORS = (",", ";", "\t")

_SEPARATOR_LINE = re.compile(r"\Asep=.(?=[\r\n])", re.IGNORECASE)

YES_OR_NO = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class FileFault:
    """What is wrong, in a sentence; line 0 means the whole file, and the column may be empty."""

    line: int
    column: str
    message: str


class FileRefused(Exception):
    """The file has faults: `faults` lists the first of them, `count` says how many there are."""

    def __init__(self, faults: list[FileFault], count: int | None = None) -> None:
        self.faults = faults
        self.count = len(faults) if count is None else count
        super().__init__(faults[0].message)


# --- Writing ------------------------------------------------------------------------------------


def export_nights(hotel: HotelFacts, first: date, last: date) -> Iterator[bytes]:
    """The stored nights from `first` to `last`, both included, as CSV in chunks.

    One category is read at a time, each within a request's time limit, since a chunk may be sent
    long after the one before it.
    """
    return write_csv(_exported_rows(hotel, first, last))


def today_of(hotel: HotelFacts) -> date:
    """Today's date in the hotel's time zone."""
    return clock.today(hotel.time_zone)


def exportable_days(hotel: HotelFacts) -> tuple[date, date]:
    """The first and the last day that a file may contain."""
    today = clock.today(hotel.time_zone)
    return today - timedelta(days=PAST_DAYS), today + timedelta(days=HORIZON_DAYS)


def _exported_rows(hotel: HotelFacts, first: date, last: date) -> Iterator[list[object]]:
    yield list(COLUMNS)
    with request_limits():
        categories = inventory.list_categories(hotel.id)
    for category in categories:
        with request_limits():
            nights = list(
                collection("nights")
                .find(
                    {
                        "category_id": category.id,
                        "date": {"$gte": first.isoformat(), "$lte": last.isoformat()},
                    }
                )
                .sort("date")
            )
        for night in nights:
            yield [
                hotel.id,
                category.id,
                night["date"],
                write_amount(night["price"], hotel.currency),
                "yes" if night["closed"] else "no",
                night["min_stay"],
                "yes" if night["closed_to_arrival"] else "no",
                "yes" if night["closed_to_departure"] else "no",
            ]


# --- Judging ------------------------------------------------------------------------------------


def judge_file(content: bytes, hotel: HotelFacts) -> list[NightRow]:
    """The rows of a file for this hotel. Raises FileRefused with all faults.

    FileRefused lists at most MAX_FAULTS_SHOWN of them.
    """
    text = _decode(content)
    # Excel's line about the separator repeats what the header shows. Its end of line stays, so that
    # lines keep their numbers.
    text = _SEPARATOR_LINE.sub("", text)
    separator, names = _read_header(text)
    categories = {category.id: category for category in inventory.list_categories(hotel.id)}
    judge = _Judge(hotel, categories, names, decimal_comma=separator != ",")
    faults: list[FileFault] = []
    fault_count = 0
    rows: list[NightRow] = []
    records = itertools.islice(_read_records(text, separator), 1, None)
    for number, (line, cells) in enumerate(records, start=1):
        if number > MAX_ROWS:
            _refuse(f"The file has more than {MAX_ROWS:,} rows; split it into several files.")
        row, found = judge.judge(line, cells)
        fault_count += len(found)
        faults += found[: MAX_FAULTS_SHOWN - len(faults)]
        if row is not None:
            rows.append(row)
    if faults:
        raise FileRefused(faults, fault_count)
    if not rows:
        _refuse("The file has a header but no rows below it.")
    return rows


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        _refuse(f"The file is over {MAX_BYTES // 1_000_000} MB; split it into several files.")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        _refuse("This is a spreadsheet in its own format; save it as CSV (UTF-8) and send that.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse("The file is in UTF-16; save it as CSV in UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = "This line is not UTF-8, but perhaps Latin-1; save the file as CSV in UTF-8."
        raise FileRefused([FileFault(line, "", text)]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        text = "This line has a NUL character; save the file as CSV in UTF-8, not UTF-16."
        raise FileRefused([FileFault(line, "", text)])
    if not text.strip():
        _refuse("The file is empty.")
    return text


def _read_header(text: str) -> tuple[str, list[str]]:
    """The separator and the column names; the right separator yields the most known names."""
    headers = {separator: _read_names(text, separator) for separator in SEPARATORS}
    separator = max(headers, key=lambda sign: len(set(headers[sign]).intersection(COLUMNS)))
    names = headers[separator]
    if not names:
        _refuse("The first line, which names the columns, has an unmatched quotation mark.")
    line, _ = next(_read_records(text, separator))
    faults = [
        FileFault(line, name, _explain_name(name))
        for name in dict.fromkeys(names)
        if name not in COLUMNS
    ]
    faults += [
        FileFault(line, name, "This column appears more than once.")
        for name in COLUMNS
        if names.count(name) > 1
    ]
    faults += [
        FileFault(line, name, "This column is missing.") for name in NEEDED if name not in names
    ]
    if not faults and not set(names).intersection(SETTING):
        faults = [FileFault(line, "", f"No column sets anything; add one of {', '.join(SETTING)}.")]
    if faults:
        raise FileRefused(faults[:MAX_FAULTS_SHOWN], len(faults))
    return separator, names


def _explain_name(name: str) -> str:
    if name.startswith('"'):
        return "Remove the space before the quotation mark."
    return f"There is no such column; the columns are {', '.join(COLUMNS)}."


def _read_names(text: str, separator: str) -> list[str]:
    """The cells of the header with this separator; empty if they cannot be read."""
    try:
        _, cells = next(_read_records(text, separator))
    except FileRefused:  # quoted names fail with the wrong separator
        return []
    names = [cell.strip().lower() for cell in cells]
    # Some programs end every line with a separator.
    while names and not names[-1]:
        names.pop()
    return names


def _read_records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each non-empty record with the number of its first line; the header comes first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused([FileFault(line, "", _explain(error))]) from None
        if any(cell.strip() for cell in cells):
            yield line, cells


def _explain(error: csv.Error) -> str:
    if "limit" in str(error):
        return "A cell here is far too long; perhaps a quotation mark is not closed."
    return "A quotation mark here is unmatched; close it, and double each one inside a cell."


def _refuse(message: str) -> None:
    raise FileRefused([FileFault(0, "", message)])


class _Judge:
    """Checks one record after the other. Many cells are equal, so each value is checked once."""

    def __init__(
        self,
        hotel: HotelFacts,
        categories: dict[str, CategoryFacts],
        names: list[str],
        *,
        decimal_comma: bool,
    ) -> None:
        self._hotel = hotel
        self._categories = categories
        self._names = names
        self._decimal_comma = decimal_comma
        self._first_day, self._last_day = exportable_days(hotel)
        self._seen: dict[tuple[str, str], int] = {}
        # The valid cells of each column, with their meaning.
        self._known: dict[str, dict[str, Any]] = {name: {} for name in names}
        self._readers: dict[str, Callable[[str], Any]] = {
            "hotel": self._read_hotel,
            "category": self._read_category,
            "date": self._read_date,
            "price": self._read_price,
            "min_stay": _read_min_stay,
            "closed": _read_yes_or_no,
            "closed_to_arrival": _read_yes_or_no,
            "closed_to_departure": _read_yes_or_no,
        }

    def judge(self, line: int, cells: list[str]) -> tuple[NightRow | None, list[FileFault]]:
        """The row, or its faults."""
        if not "".join(cells[len(self._names) :]).strip():
            cells = cells[: len(self._names)]
        if len(cells) != len(self._names):
            text = f"This row has {len(cells)} cells, but there are {len(self._names)} columns."
            return None, [FileFault(line, "", text)]
        values: dict[str, Any] = {}
        faults = []
        for name, cell in zip(self._names, cells, strict=True):
            known = self._known[name]
            if cell not in known:
                try:
                    known[cell] = self._readers[name](unguard(cell.strip(" \t\r\n")))
                except ValueError as fault:
                    faults.append(FileFault(line, name, str(fault)))
                    continue
            values[name] = known[cell]
        if faults:
            return None, faults
        category, day = values.pop("category"), values.pop("date")
        values.pop("hotel", None)
        before = self._seen.setdefault((category.id, day), line)
        if before != line:
            text = f"This night is already in line {before}; remove one of the two."
            return None, [FileFault(line, "date", text)]
        return NightRow(category.id, day, values, category.default_price), []

    def _read_hotel(self, text: str) -> str:
        if text != self._hotel.id:
            raise ValueError(
                f"You are importing this file for hotel {self._hotel.id}, not {_show(text)}."
            )
        return text

    def _read_category(self, text: str) -> CategoryFacts:
        if text not in self._categories:
            raise ValueError(f"{self._hotel.name} has no category with id {_show(text)}.")
        return self._categories[text]

    def _read_date(self, text: str) -> str:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if day.isoformat() != text:
            raise ValueError(f"Write a valid date as YYYY-MM-DD, not {_show(text)}.")
        if not self._first_day <= day <= self._last_day:
            raise ValueError(f"Give a date from {self._first_day} to {self._last_day}, not {text}.")
        return text

    def _read_price(self, text: str) -> int:
        currency = self._hotel.currency
        amount = read_amount(text, currency, decimal_comma=self._decimal_comma)
        if amount is None:
            digits = count_digits(currency)
            example = write_amount(12_000, currency)
            raise ValueError(
                f"Write a price as {example}, without thousands separators and with at most "
                f"{digits} decimal places, not {_show(text)}."
            )
        if amount > MAX_NIGHT_PRICE:
            highest = write_amount(MAX_NIGHT_PRICE, currency)
            raise ValueError(f"Give a price of at most {highest}.")
        return amount


def _read_min_stay(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_NIGHTS):
        raise ValueError(f"Give a minimum stay from 1 to {MAX_NIGHTS} nights, not {_show(text)}.")
    return int(text)


def _read_yes_or_no(text: str) -> bool:
    if text.lower() not in YES_OR_NO:
        raise ValueError(f"Write yes or no, not {_show(text)}.")
    return YES_OR_NO[text.lower()]


def _show(text: str) -> str:
    """The cell's text, shortened but recognisable."""
    return repr(shorten(text, 40))
