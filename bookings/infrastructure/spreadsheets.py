"""CSV that spreadsheets open as it is meant, and that comes back from them as it was.

It is RFC 4180 in UTF-8 with a byte order mark, without which some read it as Latin-1. A cell that
a spreadsheet would run as a formula gets an apostrophe before it, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection); `unguard` takes it away again.
"""

import csv
import io
from collections.abc import Iterable, Iterator

BOM = "\ufeff"

RUN_AS_FORMULAS = ("=", "+", "-", "@", "\t", "\r")

# So many lines go out at once: large enough not to be slow, and small beside what a page takes.
LINES_A_CHUNK = 500


def write_csv(rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """The rows as CSV in chunks of some lines; nothing more of them is held at a time."""
    buffer = io.StringIO(newline="")
    buffer.write(BOM)
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, start=1):
        writer.writerow([guard(str(cell)) for cell in row])
        if number % LINES_A_CHUNK == 0:
            yield _take(buffer)
    yield _take(buffer)


def guard(cell: str) -> str:
    """The cell as a spreadsheet takes it for text.

    What would lose an apostrophe of its own when it is read again gets one, too.
    """
    return f"'{cell}" if cell.startswith(RUN_AS_FORMULAS) or unguard(cell) != cell else cell


def unguard(cell: str) -> str:
    """The cell as it was before `guard`; one that needed none stays as it is."""
    is_guarded = cell.startswith("'") and cell[1:].lstrip("'").startswith(RUN_AS_FORMULAS)
    return cell[1:] if is_guarded else cell


def _take(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
