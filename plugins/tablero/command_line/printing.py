"""Writing to standard output: plain lines, JSON lines and CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timezone
from typing import Any, TextIO

from tablero.web.spreadsheet import safe


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
    """Print a JSON document on one line."""
    say(json.dumps(value, ensure_ascii=False, default=_plain))


def each(rows: Iterable[Mapping[str, Any]], *, as_csv: bool) -> None:
    """Print one line per row: JSON, or CSV with a header."""
    if not as_csv:
        for row in rows:
            dump(row)
        return
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(_stdout(), list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: None if value is None else safe(_plain(value)) for name, value in row.items()})


def instant(value: datetime) -> str:
    """An instant in the form of the contract: UTC, with ``Z``."""
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> Any:
    return instant(value) if isinstance(value, datetime) else str(value)
