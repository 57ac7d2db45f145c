"""Failures that were told while the outbox could not record them: without a trace of them, each run would tell again, and none
would tell the end.

A file for each DAG, without contents: a full disk, the usual reason, still takes a name.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def remember(home: Path, dag_id: str) -> bool:
    """Note that a failure of a DAG is told; whether there was no such note yet.

    :param home: ``AIRFLOW_HOME``. Where it cannot be written, the failure counts as new: better told twice than not at all.
    """
    note = _note(home, dag_id)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        log.warning("%s: %s", note, error.strerror)
    return True


def forget(home: Path, dag_id: str) -> bool:
    """Take the note away; whether there was one."""
    try:
        _note(home, dag_id).unlink()
    except OSError:
        return False
    return True


def _note(home: Path, dag_id: str) -> Path:
    return home / "tablero" / f"untold-end.{dag_id}"
