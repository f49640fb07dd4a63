"""CSV that spreadsheets open correctly, and that comes back from them unchanged.

It is RFC 4180 in UTF-8 with a byte order mark; without the mark some spreadsheets read it as
Latin-1. A cell that a spreadsheet would run as a formula gets a leading apostrophe, as OWASP
advises (https://owasp.org/www-community/attacks/CSV_Injection). `unguard` removes it again.
"""

import csv
import io
from collections.abc import Iterable, Iterator

BOM = "\ufeff"

RUN_AS_FORMULAS = ("=", "+", "-", "@", "\t", "\r")

# Large enough to be quick, and small compared with the memory that a page takes.
LINES_A_CHUNK = 500


def write_csv(rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """The rows as CSV, in chunks of LINES_A_CHUNK lines. Only one chunk is in memory at a time."""
    buffer = io.StringIO(newline="")
    buffer.write(BOM)
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, start=1):
        writer.writerow([guard(str(cell)) for cell in row])
        if number % LINES_A_CHUNK == 0:
            yield _take(buffer)
    yield _take(buffer)


def guard(cell: str) -> str:
    """The cell in a form that a spreadsheet treats as text.

    A cell that would lose its own apostrophe in `unguard` gets one more, too.
    """
    return f"'{cell}" if cell.startswith(RUN_AS_FORMULAS) or unguard(cell) != cell else cell


def unguard(cell: str) -> str:
    """The cell as it was before `guard`. A cell without a guard stays as it is."""
    is_guarded = cell.startswith("'") and cell[1:].lstrip("'").startswith(RUN_AS_FORMULAS)
    return cell[1:] if is_guarded else cell


def _take(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
