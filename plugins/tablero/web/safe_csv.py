"""CSV that is safe to open in a spreadsheet.

A cell of the source may begin like a formula, which a spreadsheet would run on the machine of the person who opens the file.
Such a cell is prefixed with an apostrophe, which spreadsheets do not show.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

#: Prefixes of a formula; the full-width forms come from East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

#: Byte order mark, by which spreadsheets recognise UTF-8.
_MARK = "\ufeff"

_LINES = 500


def safe(value: Any) -> str:
    """A cell that no spreadsheet evaluates as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def write(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """A CSV file in pieces: every cell quoted, line endings as in RFC 4180."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    buffer.write(_MARK)
    writer.writerow([safe(heading) for heading in headings])
    for number, row in enumerate(rows, 1):
        writer.writerow([safe(value) for value in row])
        if number % _LINES == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
