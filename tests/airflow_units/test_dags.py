"""DAG files imported with various settings; their behaviour in Airflow is tested in tests/airflow."""

from __future__ import annotations

import runpy
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from tablero.airflow.configuration import read_settings
from tablero.delivery.planning import plan_history

ROOT = Path(__file__).resolve().parents[2]


def params(dag: str) -> dict[str, Any]:
    """The parameters of a DAG, by name."""
    found: dict[str, Any] = runpy.run_path(str(ROOT / "dags" / f"{dag}.py"))["PARAMS"]
    return found


@pytest.mark.parametrize("earliest", ["2020-01-01", "2021-06-15"])
def test_a_load_begins_where_the_institution_does(earliest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a load starts with the month of ``earliest``, which plan and form accept and the form mentions."""
    monkeypatch.setenv("AIRFLOW__TABLERO__EARLIEST", earliest)
    start = params("historical_load")["start_month"]
    month = start.resolve()
    windows = plan_history(read_settings(), start_month=month, end_month=None, now=datetime(2026, 11, 24, tzinfo=timezone.utc))
    assert month == windows[0].label == earliest[:7]
    assert start.description.count(f"[tablero] earliest ({earliest[:7]})") == 2
