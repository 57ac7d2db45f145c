"""Writing to standard output: plain lines, JSON lines and CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from tablero.web.spreadsheet import safe


def say(line: object) -> None:
    """Print a line of text."""
    sys.stdout.write(f"{line}\n")


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
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: None if value is None else safe(_plain(value)) for name, value in row.items()})


def instant(value: datetime) -> str:
    """An instant in the form of the contract: UTC, with ``Z``."""
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> Any:
    return instant(value) if isinstance(value, datetime) else str(value)
