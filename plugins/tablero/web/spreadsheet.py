"""CSV that is safe to open in a spreadsheet.

A cell of the source may begin with what a spreadsheet takes for a formula, and would then run on the machine of whoever opens
the file. Such a cell is written with an apostrophe before it, which spreadsheets do not show.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

#: What makes spreadsheets read a cell as a formula; the wide forms are those of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

#: Tells spreadsheets that the file is UTF-8.
_MARK = "\ufeff"

_LINES = 500


def safe(value: Any) -> str:
    """A cell that no spreadsheet evaluates as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def write(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """A CSV file in pieces: every cell quoted, lines ended as RFC 4180 has it."""
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
