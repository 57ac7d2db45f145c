"""Failures that were alerted while the outbox could not record them. Without a trace, every run would alert again, and none
would send the recovery notice.

One empty file per DAG: even a full disk, the usual reason, has room for a name.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def is_noted(home: Path, dag_id: str) -> bool:
    """Whether a failure of a DAG was alerted.

    :param home: ``AIRFLOW_HOME``.
    """
    return _note(home, dag_id).is_file()


def note(home: Path, dag_id: str) -> None:
    """Note that it was. Where nothing can be written, each run alerts: two alerts are better than none."""
    file = _note(home, dag_id)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        log.warning("%s: %s", file, error.strerror)


def forget(home: Path, dag_id: str) -> None:
    """Remove the note, if there is one."""
    try:
        _note(home, dag_id).unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: %s", _note(home, dag_id), error.strerror)


def _note(home: Path, dag_id: str) -> Path:
    return home / "tablero" / f"alerted-without-outbox.{dag_id}"
