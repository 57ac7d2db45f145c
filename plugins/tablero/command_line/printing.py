"""Writing to standard output: plain lines, JSON lines and CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timezone
from itertools import chain
from typing import Any, TextIO

from tablero.web.safe_csv import safe


@contextmanager
def only_results_on_stdout() -> Iterator[None]:
    """Standard output carries what a command prints with this module. What Airflow prints as it loads goes to standard error:
    a monitor could not parse the result otherwise.
    """
    _results.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.pop()


_results: list[TextIO] = []


def _stdout() -> TextIO:
    return _results[-1] if _results else sys.stdout


def say(line: object) -> None:
    """Print a line of text."""
    _stdout().write(f"{line}\n")


def dump(value: object) -> None:
    """Print a JSON document on one line; in plain ASCII where the encoding of the output lacks characters."""
    is_utf8 = (_stdout().encoding or "").lower().replace("-", "") == "utf8"
    say(json.dumps(value, ensure_ascii=not is_utf8, default=_plain))


def each(rows: Iterator[Mapping[str, Any]], *, columns: Sequence[str], as_csv: bool) -> None:
    """Print one line per row: JSON, or CSV with a header, also if there is no row.

    :param columns: the keys of every row.
    """
    if not as_csv:
        for row in rows:
            dump(row)
        return
    first = next(rows, None)  # which raises what is wrong, before anything is printed
    writer = csv.DictWriter(_stdout(), columns, lineterminator="\n")
    writer.writeheader()
    for row in chain([] if first is None else [first], rows):
        writer.writerow({name: None if value is None else safe(_plain(value)) for name, value in row.items()})


def instant(value: datetime) -> str:
    """An instant in the form of the contract: UTC, with ``Z``."""
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> Any:
    return instant(value) if isinstance(value, datetime) else str(value)
