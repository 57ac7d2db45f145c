"""Failures that were alerted while the outbox could not record them. Without a trace, every run would alert again, and none
would send the recovery notice.

One empty file per DAG: even a full disk, the usual reason, has room for a name.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def remember(home: Path, dag_id: str) -> bool:
    """Note that a failure of a DAG is alerted; returns whether there was no note yet.

    :param home: ``AIRFLOW_HOME``. If it is not writable, the failure counts as new: two alerts are better than none.
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
    """Remove the note; returns whether there was one."""
    try:
        _note(home, dag_id).unlink()
    except OSError:
        return False
    return True


def _note(home: Path, dag_id: str) -> Path:
    return home / "tablero" / f"untold-end.{dag_id}"
