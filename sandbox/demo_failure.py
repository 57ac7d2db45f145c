"""The demo's error message: what happened, and the end of the log that gives the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

_LINES = 12


class DemoError(Exception):
    """Something that the demo started does not work.

    :param message: what happened, in Spanish and English.
    :param log: the file with the reason.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


def last_lines(log: Path, count: int = _LINES) -> Iterator[str]:
    """The end of a log; of a task's log, which is JSON by lines, its messages."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as error:
        yield str(error)
        return
    # Airflow's markers for folding parts of a log.
    for line in [line for line in lines if '"event":"::' not in line][-count:]:
        yield from _said(line).splitlines()


def _said(line: str) -> str:
    try:
        record = json.loads(line)
        said = f"{record['level'].upper()} {record['event']}"
        causes = [f"{cause['exc_type']}: {cause['exc_value']}" for cause in record.get("error_detail") or ()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    return "\n  ".join([said, *causes])
