"""Nights as CSV: the site accepts a file completely or not at all, and its own files again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from bson import BSON, ObjectId

from bookings.catalogue import night_files, night_jobs, nights
from bookings.catalogue.inventory import HotelFacts, find_hotel
from bookings.catalogue.night_files import FileFault, FileRefused, export_nights, judge_file
from bookings.catalogue.nights import NightRow, set_nights
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob, RoomCategory
from tests.conftest import night
from tests.hotels import put_night

pytestmark = pytest.mark.mongo

HEADER = "category,date,price"
DAY, NEXT_DAY = night(30), night(31)


@pytest.fixture
def hotel(chalet: Hotel) -> HotelFacts:
    found = find_hotel("chalet")
    assert found is not None
    return found


def file(*lines: str, end: str = "\r\n", encoding: str = "utf-8") -> bytes:
    return end.join([*lines, ""]).encode(encoding)


def faults(content: bytes, hotel: HotelFacts) -> list[FileFault]:
    with pytest.raises(FileRefused) as caught:
        judge_file(content, hotel)
    return caught.value.faults


def the_fault(content: bytes, hotel: HotelFacts) -> FileFault:
    (fault,) = faults(content, hotel)
    return fault


def stored_nights() -> list[dict[str, Any]]:
    return list(collection("nights").find().sort("_id"))


# --- Accepted files -----------------------------------------------------------------------------


def test_reads_the_rows_of_a_file(hotel: HotelFacts) -> None:
    content = file(
        "hotel,category,date,price,closed,min_stay,closed_to_arrival,closed_to_departure",
        f"chalet,chalet_attic,{DAY},95.50,yes,3,no,yes",
    )

    (row,) = judge_file(content, hotel)

    values = {
        "price": 9_550,
        "closed": True,
        "min_stay": 3,
        "closed_to_arrival": False,
        "closed_to_departure": True,
    }
    assert row == NightRow("chalet_attic", DAY, values, 8_000)


@pytest.mark.parametrize(
    "content",
    [
        file(HEADER, f"chalet_attic,{DAY},95.50"),
        file(HEADER, f"chalet_attic,{DAY},95.50", end="\n"),
        file(HEADER, f"chalet_attic,{DAY},95.50", end="\r"),
        file(HEADER, f"chalet_attic,{DAY},95.50").rstrip(),
        file(HEADER, f"chalet_attic,{DAY},95.50", encoding="utf-8-sig"),
        file("price,date,category", f"95.5,{DAY},chalet_attic"),
        file(" Category ,DATE,Price", f" chalet_attic , {DAY} , 95.50 "),
        file('"category","date","price"', f'"chalet_attic","{DAY}","95.50"'),
        file('"category";"date";"price"', f'"chalet_attic";"{DAY}";"95,50"'),
        file("category;date;price", f"chalet_attic;{DAY};95,50"),
        file("category;date;price", f"chalet_attic;{DAY};95.50"),
        file("category\tdate\tprice", f"chalet_attic\t{DAY}\t95,50"),
        file(HEADER, "", f"chalet_attic,{DAY},95.50", ",,", "", ""),
        file(HEADER, f'chalet_attic,{DAY},"95.50\n"'),
        file("sep=;", "category;date;price", f"chalet_attic;{DAY};95,50"),
        file("SEP=,", HEADER, f"chalet_attic,{DAY},95.50", encoding="utf-8-sig", end="\r"),
        file(HEADER + ",", f"chalet_attic,{DAY},95.50,"),
        file("category;date;price;;", f"chalet_attic;{DAY};95,50;;"),
    ],
)
def test_takes_files_as_spreadsheets_write_them(hotel: HotelFacts, content: bytes) -> None:
    assert judge_file(content, hotel) == [NightRow("chalet_attic", DAY, {"price": 9_550}, 8_000)]


def test_leaves_what_has_no_column(hotel: HotelFacts) -> None:
    put_night("chalet_attic", DAY, price=5_000, min_stay=4)

    set_nights(
        judge_file(
            file("category,date,closed", f"chalet_attic,{DAY},yes", f"chalet_attic,{NEXT_DAY},1"),
            hotel,
        )
    )

    old, new = stored_nights()
    assert (old["price"], old["min_stay"], old["closed"]) == (5_000, 4, True)
    assert (new["price"], new["min_stay"], new["closed"]) == (8_000, 1, True)


# --- Refused files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        (b"", 0, "The file is empty."),
        (b"\xef\xbb\xbf\r\n \r\n", 0, "The file is empty."),
        (file(HEADER), 0, "The file has a header but no rows below it."),
        (b"x" * 10_000_001, 0, "The file is over 10 MB; split it into several files."),
        (b"PK\x03\x04rest", 0, "This is a spreadsheet in its own format; save it as CSV"),
        (b"\xd0\xcf\x11\xe0rest", 0, "This is a spreadsheet in its own format; save it as CSV"),
        (file(HEADER, encoding="utf-16"), 0, "The file is in UTF-16"),
        (file(HEADER, encoding="utf-16-be"), 1, "This line has a NUL character"),
        (file(HEADER, "Dübel,x,1", encoding="latin-1"), 2, "perhaps Latin-1"),
        (file(HEADER, "a,b,1", "chalet\0_attic,x,1"), 3, "This line has a NUL character"),
        (file(HEADER, '"chalet"_attic,x,1'), 2, "A quotation mark here is unmatched"),
        (file(HEADER, "chalet_attic,x", '"chalet_attic,x,1'), 3, "mark here is unmatched"),
        (file(HEADER, '"' + "x\n" * 100_000), 2, "far too long; perhaps a quotation mark"),
        (file(HEADER, "x" * 200_000), 2, "far too long"),
        (file('"category,date,price'), 0, "has an unmatched quotation mark"),
    ],
)
def test_refuses_what_is_no_such_file(
    hotel: HotelFacts, content: bytes, line: int, sentence: str
) -> None:
    fault = the_fault(content, hotel)

    assert fault.line == line
    assert sentence in fault.message


@pytest.mark.parametrize(
    ("header", "column", "sentence"),
    [
        ("category,date,price,colour", "colour", "There is no such column; the columns are hotel"),
        ("category,,date,price", "", "There is no such column"),
        ('category, "date",price', '"date"', "Remove the space before the quotation mark."),
        ("category,date,price,Price", "price", "This column appears more than once."),
        ("category,price", "date", "This column is missing."),
        ("date,price", "category", "This column is missing."),
        ("category,date", "", "No column sets anything; add one of price, closed"),
    ],
)
def test_refuses_columns_that_do_not_fit(
    hotel: HotelFacts, header: str, column: str, sentence: str
) -> None:
    fault = faults(file(header, "x" + "," * header.count(",")), hotel)[0]

    assert (fault.line, fault.column) == (1, column)
    assert sentence in fault.message


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("hotel", "grand", "You are importing this file for hotel chalet, not 'grand'."),
        ("category", "demo_double", "Chalet has no category with id 'demo_double'."),
        ("category", "", "Chalet has no category with id ''."),
        ("date", "2027-02-29", "Write a valid date as YYYY-MM-DD, not '2027-02-29'."),
        ("date", "01.03.2027", "Write a valid date"),
        ("date", "2027-W01-1", "Write a valid date"),
        ("date", "", "Write a valid date"),
        ("date", night(740), "Give a date from"),
        ("date", night(-380), "Give a date from"),
        ("price", "-1", "Write a price as 120.00, without thousands separators"),
        ("price", "12.345", "at most 2 decimal places"),
        ("price", "", "Write a price"),
        ("price", "=1+1", "Write a price"),
        ("price", "99999999", "Give a price of at most 10000000.00."),
        ("min_stay", "0", "Give a minimum stay from 1 to 90 nights, not '0'."),
        ("min_stay", "91", "Give a minimum stay"),
        ("min_stay", "1.5", "Give a minimum stay"),
        ("min_stay", "²", "Give a minimum stay"),
        ("closed", "maybe", "Write yes or no, not 'maybe'."),
        ("closed_to_arrival", "", "Write yes or no, not ''."),
        ("closed_to_departure", "x" * 100, "…"),
    ],
)
def test_names_the_line_and_column_of_a_wrong_cell(
    hotel: HotelFacts, column: str, cell: str, sentence: str
) -> None:
    good = {
        "hotel": "chalet",
        "category": "chalet_attic",
        "date": DAY,
        "price": "95.50",
        "closed": "no",
        "min_stay": "1",
        "closed_to_arrival": "no",
        "closed_to_departure": "no",
    }
    lines = [
        ",".join(good),
        ",".join({**good, "date": NEXT_DAY}.values()),
        ",".join({**good, column: cell}.values()),
    ]

    fault = the_fault(file(*lines), hotel)

    assert (fault.line, fault.column) == (3, column)
    assert sentence in fault.message


def test_refuses_a_night_that_is_there_twice(hotel: HotelFacts) -> None:
    row = f"chalet_attic,{DAY},95.50"

    fault = the_fault(file(HEADER, row, f"chalet_suite,{DAY},95.50", row), hotel)

    assert (fault.line, fault.column) == (4, "date")
    assert fault.message == "This night is already in line 2; remove one of the two."


def test_refuses_a_row_with_other_cells_than_columns(hotel: HotelFacts) -> None:
    found = faults(file(HEADER, f"chalet_attic,{DAY}", f"chalet_attic,{DAY},95,50"), hotel)

    assert [fault.message for fault in found] == [
        "This row has 2 cells, but there are 3 columns.",
        "This row has 4 cells, but there are 3 columns.",
    ]


def test_names_the_line_below_a_separator_line(hotel: HotelFacts) -> None:
    found = faults(file("sep=;", "category;date;colour", "x;y;z"), hotel)
    row = the_fault(file("sep=;", "category;date;price", f"chalet_attic;{DAY};dear"), hotel)

    assert [fault.line for fault in found] == [2]
    assert row.line == 3


def test_counts_lines_as_an_editor_does(hotel: HotelFacts) -> None:
    content = file(HEADER, f'chalet_attic,"\n\n{DAY}",1', "", f"chalet_attic,{NEXT_DAY},no")

    assert the_fault(content, hotel).line == 6


def test_names_the_first_faults_and_counts_all(hotel: HotelFacts) -> None:
    rows = [f"nowhere,{DAY},none"] * 30

    with pytest.raises(FileRefused) as caught:
        judge_file(file(HEADER, *rows), hotel)

    assert caught.value.count == 60
    assert [fault.line for fault in caught.value.faults] == sorted([*range(2, 12)] * 2)


def test_takes_amounts_of_the_hotels_currency(hotel: HotelFacts) -> None:
    Hotel.objects.filter(id="chalet").update(currency="JPY")
    yen = find_hotel("chalet")
    assert yen is not None

    (row,) = judge_file(file(HEADER, f"chalet_attic,{DAY},9500"), yen)
    fault = the_fault(file(HEADER, f"chalet_attic,{DAY},95.00"), yen)

    assert row.values == {"price": 9_500}
    assert "at most 0 decimal places" in fault.message


# --- There and back -----------------------------------------------------------------------------


@pytest.fixture
def cheap(chalet: Hotel) -> Iterator[None]:
    """A category with an id that a spreadsheet would run."""
    RoomCategory.objects.create(id="-chalet_cheap", hotel=chalet, name="=Cheap")
    yield
    collection("nights").delete_many({})
    RoomCategory.objects.filter(id="-chalet_cheap").delete()


def test_takes_its_own_export_back_unchanged(hotel: HotelFacts, cheap: None) -> None:
    put_night("-chalet_cheap", DAY, price=1)
    put_night("chalet_attic", DAY, closed=True, min_stay=90)
    put_night("chalet_attic", NEXT_DAY, closed_to_arrival=True)
    put_night("chalet_suite", night(-3), closed_to_departure=True, price=1_000_000_000)
    before = stored_nights()
    first, last = night_files.exportable_days(hotel)

    written = b"".join(export_nights(hotel, first, last))
    collection("nights").delete_many({})
    set_nights(judge_file(written, hotel))
    again = b"".join(export_nights(hotel, first, last))

    assert stored_nights() == before
    assert again == written
    assert b"\r\nchalet,'-chalet_cheap," in written


def test_exports_from_the_first_night_to_the_last(hotel: HotelFacts) -> None:
    for days in range(-2, 3):
        put_night("chalet_attic", str(date.fromisoformat(DAY) + timedelta(days)))

    chunks = export_nights(hotel, date.fromisoformat(DAY), date.fromisoformat(NEXT_DAY))

    rows = list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"))))
    assert [row[2] for row in rows] == ["date", DAY, NEXT_DAY]


# --- Many ---------------------------------------------------------------------------------------


@pytest.fixture
def many(chalet: Hotel) -> Any:
    """The chalet with 137 categories, so that it has 100,000 different nights."""
    RoomCategory.objects.bulk_create(
        RoomCategory(id=f"chalet_{number:03}", hotel=chalet, name=f"No. {number}")
        for number in range(137)
    )


@pytest.mark.slow
def test_imports_100_000_nights_that_a_worker_writes(hotel: HotelFacts, many: Any) -> None:
    days = [night(number) for number in range(730)]
    cells = [
        f"chalet_{number:03},{day},{number + 1}.{index % 100:02}"
        for number in range(137)
        for index, day in enumerate(days)
    ][:100_000]

    rows = judge_file(file(HEADER, *cells), hotel)
    job_id = ObjectId()
    night_jobs.add_job(
        job_id=job_id,
        kind=night_jobs.IMPORT,
        hotel_id="chalet",
        rows=rows,
        summary="All of them",
        user_id=None,
    )
    size = len(BSON.encode(collection("nights_jobs").find_one({"_id": job_id})))
    night_jobs.work_on_small(job_id)
    waiting = NightsJob.objects.get(pk=job_id).state
    night_jobs.work_on_jobs()

    job = NightsJob.objects.get(pk=job_id)
    assert waiting == "waiting"
    assert (job.state, job.done, job.rows) == ("done", 100_000, None)
    assert collection("nights").count_documents({}) == 100_000
    assert size < 2_000_000


def test_refuses_more_rows_than_a_job_holds(
    hotel: HotelFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_files, "MAX_ROWS", 2)
    rows = [f"chalet_attic,{night(number)},1" for number in range(3)]

    fault = the_fault(file(HEADER, *rows), hotel)

    assert len(judge_file(file(HEADER, *rows[:2]), hotel)) == 2
    assert fault.message == "The file has more than 2 rows; split it into several files."


def test_packs_rows_that_say_everything_into_a_document() -> None:
    values = {"price": 999_999_999, "closed": False, "min_stay": 90, "closed_to_arrival": False}
    rows = [
        NightRow(f"{ObjectId()}{ObjectId()}{number:016}", "2027-01-01", values, 999_999_999, values)
        for number in range(nights.MAX_ROWS // 10)
    ]

    packed = night_jobs.pack(rows)

    assert len(packed) * 10 < 15_000_000
    assert night_jobs.unpack(packed) == rows
