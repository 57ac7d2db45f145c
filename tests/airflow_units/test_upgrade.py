"""DAGs that version 0.1 serialized into Airflow's database can still be read."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from airflow._shared.module_loading import import_string
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from tablero.airflow.callbacks import LateNotifier
from tablero.airflow.deadline import ScheduledDayDeadline
from tablero.airflow.timetable import CivilDayTimetable
from tablero.errors import SetupError

#: Both DAGs of version 0.1.0 with alerts by mail, as Airflow 3.3.2 wrote them into its table ``serialized_dag``.
KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "serialized_0_1.json").read_text())


@pytest.fixture(autouse=True)
def registered(plugins_loaded: None) -> None:
    """Plugins are registered as in any process of Airflow."""


@pytest.mark.parametrize("name", KEPT)
def test_the_dag_of_then(name: str) -> None:
    """A DAG of version 0.1 can be read: the grid shows its runs, and the scheduler continues those in progress."""
    dag = DagSerialization.from_dict(KEPT[name])
    assert dag.dag_id == name
    assert {"reconcile"} < set(dag.task_dict)


def test_its_timetable() -> None:
    """Its timetable is read as the current one."""
    found = DagSerialization.from_dict(KEPT["daily_send"]).timetable
    assert isinstance(found, CivilDayTimetable)
    assert found.serialize().items() >= {"at": "02:00", "zone": "America/Santo_Domingo"}.items()


def test_its_deadline() -> None:
    """Its deadline is read as the current one, and so is its callback, which the triggerer imports by name."""
    (kept,) = KEPT["daily_send"]["dag"]["deadline"]
    found: Any = decode_deadline_alert(kept)
    assert isinstance(found.reference.inner_ref, ScheduledDayDeadline)
    assert found.reference.inner_ref.zone == "America/Santo_Domingo"
    assert import_string(found.callback.path) is LateNotifier


def test_its_dag_files() -> None:
    """A DAG file of version 0.1 that was left in its folder shows, as its import error, one sentence that says what to do."""
    first_of_ours = "from tablero.callbacks import dag_arguments, task_arguments"
    with pytest.raises(SetupError, match="tablero dags --to"):
        exec(first_of_ours)


def test_what_is_written_now_has_the_names_of_now() -> None:
    """Old names are only read; current ones are written."""
    written = encode_timetable(CivilDayTimetable(time(2), "America/Santo_Domingo"))
    assert written["__type"] == "tablero.airflow.timetable.CivilDayTimetable"
