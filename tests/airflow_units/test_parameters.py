"""Parameters of a run that the trigger's form lets through, since it looks at each of them alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tablero.airflow import tasks
from tablero.errors import ParameterError

RUN = SimpleNamespace(run_id="manual__1", run_type="manual", conf={}, data_interval_start=None, data_interval_end=None)
BOTH = {"dry_run": True, "resend": True, "accept_changes": False}


def test_a_dry_run_that_sends_again_is_refused() -> None:
    """A dry run together with resend is refused by the first task of either DAG, before it looks at any connection."""
    load = BOTH | {"start_month": "2020-01", "end_month": None}
    with pytest.raises(ParameterError, match="dry_run and resend do not go together"):
        tasks.check(load, {}, load)
    day = BOTH | {"day": "2026-11-20"}
    with pytest.raises(ParameterError, match="dry_run and resend do not go together"):
        tasks.check_day(day, RUN, day)
