"""The callbacks that Airflow calls when tasks and runs end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import date, datetime, time, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.utils.types import DagRunType
from pytest_mock import MockerFixture
from tablero.airflow import callbacks, configuration, tasks
from tablero.airflow.alerts import notifiers
from tablero.airflow.timetable import CivilDayTimetable
from tablero.contract.windows import undated_window
from tablero.errors import NotSettledError, OutboxUnavailable, SetupError
from tablero.outbox import findings, incidents
from tablero.outbox.engine import connect, reading
from tablero.outbox.incidents import Run, Trouble
from tablero.outbox.reports import health
from tablero.outbox.upgrade import migrate

CALLBACKS = [callbacks.task_failed, callbacks.run_failed, callbacks.run_succeeded]


class Opened(Exception):
    """The outbox was opened."""


@pytest.fixture(autouse=True)
def refusing_outbox(mocker: MockerFixture, tmp_path: Path) -> None:
    """An outbox that raises when it is opened, and a home folder of the test's own."""

    def outbox() -> None:
        raise Opened

    mocker.patch.object(configuration, "outbox", outbox)
    mocker.patch.object(configuration, "airflow_home", return_value=tmp_path)


@pytest.fixture
def sent_subjects(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The subjects of the alerts sent."""
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
    subjects: list[str] = []
    mocker.patch.object(callbacks, "_send", lambda settings, message: subjects.append(message.subject))
    mocker.patch.object(callbacks, "_new_degradations", return_value=([], []))
    return subjects


def context(conf: dict[str, Any] | None, run_type: str = "manual") -> Any:
    ti = SimpleNamespace(dag_id="daily_send", run_id="run", task_id="post", map_index=-1, rendered_map_index=None)
    run = SimpleNamespace(dag_id="daily_send", run_id="run", run_type=run_type, conf=conf, start_date=None)
    return {"ti": ti, "dag_run": run, "exception": SetupError("no such view")}


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_dry_run_writes_nothing(callback: Callable[[Any], None]) -> None:
    """A dry run records no failure, which would create an outbox, and its success ends no incident."""
    callback(context({"dry_run": True}))


@pytest.mark.parametrize("conf", [None, {}, {"dry_run": False}])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_any_other_run_is_remembered(callback: Callable[[Any], None], conf: dict[str, Any] | None) -> None:
    """Any other run is recorded, with or without parameters."""
    with pytest.raises(Opened):
        callback(context(conf))


@pytest.mark.parametrize(("callback", "tells"), zip(CALLBACKS, [False, True, False], strict=True))
def test_the_outbox_is_away(
    callback: Callable[[Any], None],
    tells: bool,
    sent_subjects: list[str],
    mocker: MockerFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If the outbox is down a failure is still alerted, a success reports no recovery, and no callback fails."""

    def outbox() -> None:
        raise OutboxUnavailable("the disk is full")

    mocker.patch.object(configuration, "outbox", outbox)
    with caplog.at_level("WARNING"):
        callback(context({}))
    assert ["FAILED" in subject for subject in sent_subjects] == [True] * tells
    assert "the disk is full" in caplog.text


def test_the_outbox_is_full_for_three_nights(sent_subjects: list[str], mocker: MockerFixture) -> None:
    """An outage of the outbox is alerted in its first night, and its end once, although neither can be recorded."""

    def full() -> None:
        raise OutboxUnavailable("the disk is full")

    mocker.patch.object(incidents, "run_succeeded", return_value=False)
    mocker.patch.object(configuration, "outbox", full)
    for _ in range(3):
        callbacks.run_failed(context({}, "scheduled"))
    mocker.patch.object(configuration, "outbox", nullcontext)
    for _ in range(2):
        callbacks.run_succeeded(context({}, "scheduled"))
    assert ["FAILED" in subject for subject in sent_subjects] == [True, False]
    assert "recovered" in sent_subjects[1]


def test_the_heartbeat_needs_no_outbox(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """The heartbeat does not need the outbox, and manual runs do not call it."""

    def away() -> None:
        raise OutboxUnavailable("the server is away")

    beats: list[str] = []
    mocker.patch.object(notifiers, "beat", beats.append)
    mocker.patch.object(configuration, "outbox", away)
    monkeypatch.setenv("AIRFLOW__TABLERO__HEARTBEAT_CONN_ID", "monitor")
    for run_type in ("scheduled", "manual", "backfill"):
        callbacks.run_succeeded(context({}, run_type))
    callbacks.run_failed(context({}, "scheduled"))
    assert beats == ["monitor"]


@pytest.mark.parametrize("run_type", [*DagRunType])
def test_only_the_schedule_makes_a_row_of_runs(
    run_type: DagRunType, sent_subjects: list[str], monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    """Only scheduled runs count as failures in a row; manual runs and backfills are alerted at their first failure."""
    heard = []

    def failed(engine: object, run: Run, *, threshold: int, **_: Any) -> incidents.Opened:
        heard.append((run, threshold))
        return incidents.Opened(["down"], None)

    def succeeded(engine: object, run: Run, **_: Any) -> bool:
        heard.append((run, None))
        return True

    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_AFTER_FAILURES", "3")
    mocker.patch.object(configuration, "outbox", nullcontext)
    mocker.patch.object(incidents, "situation", return_value=incidents.Situation([], []))
    mocker.patch.object(incidents, "run_failed", failed)
    mocker.patch.object(incidents, "run_succeeded", succeeded)
    callbacks.run_failed(context({}, run_type))
    callbacks.run_succeeded(context({}, run_type))
    scheduled = run_type is DagRunType.SCHEDULED
    assert heard == [(Run("daily_send", "run", scheduled), 3 if scheduled else 1), (Run("daily_send", "run", scheduled), None)]
    assert len(sent_subjects) == 2


@pytest.mark.parametrize(
    ("key", "value", "alerts"),
    [(None, "", False), ("HEARTBEAT_CONN_ID", "monitor", False), ("ALERT_EMAILS", "a@example.org", True)],
)
def test_runs_are_recorded_though_nobody_is_alerted(
    key: str | None, value: str, alerts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``status`` reports failed runs, so both DAGs always have callbacks; the deadline exists only if alerts are configured."""
    if key is not None:
        monkeypatch.setenv(f"AIRFLOW__TABLERO__{key}", value)
    arguments = callbacks.dag_arguments(configuration.read_settings(), deadline=True)
    assert arguments["on_failure_callback"] is callbacks.run_failed
    assert arguments["on_success_callback"] is callbacks.run_succeeded
    assert ("deadline" in arguments) is alerts


def test_a_failed_run_nobody_is_alerted_of(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The incident is recorded, but counts as alerted only after an alert was sent to somebody."""
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)
    mocker.patch.object(configuration, "outbox", return_value=nullcontext(engine))
    subjects: list[str] = []
    mocker.patch.object(notifiers, "send", lambda settings, message: subjects.append(message.subject))
    callbacks.run_failed(context({}, "scheduled"))
    with reading(engine) as connection:
        assert health.is_failing(connection)
    assert subjects == []
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
    callbacks.run_failed(context({}, "scheduled"))
    assert ["FAILED" in subject for subject in subjects] == [True]
    engine.dispose()


def test_a_failed_night_does_not_end_what_is_not_as_usual(
    mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that failed before it judged anything keeps the degradation of the night before; the next success ends it."""
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)
    mocker.patch.object(configuration, "outbox", return_value=nullcontext(engine))
    kinds: list[str] = []
    mocker.patch.object(notifiers, "send", lambda settings, message: kinds.append(message.json["kind"]))
    found = findings.Degradation.of("undated", undated_window(date(2020, 1, 1), timezone.utc), 3, 3)
    findings.keep_degradations(engine, "daily_send", "run", [found], now=datetime.now(timezone.utc))
    callbacks.run_succeeded(context({}, "scheduled"))
    findings.keep_degradations(engine, "daily_send", "run", [], now=datetime.now(timezone.utc))
    callbacks.run_failed(context({}, "scheduled"))
    callbacks.run_succeeded(context({}, "scheduled"))
    assert kinds == ["degraded", "failure", "recovery", "normal"]
    engine.dispose()


@pytest.mark.parametrize(
    "prove",
    [
        lambda: tasks.prove_day(None, None, {}, None, None),
        lambda: tasks.prove_months(None, None, {}, "run", None),
    ],
    ids=["day", "months"],
)
def test_a_reconcile_with_nothing_to_prove_reports_an_earlier_failure(prove: Callable[[], None]) -> None:
    """It is no cause of its own: that of ``extract`` decides when the run is alerted. Pending rows may have been sent."""
    with pytest.raises(NotSettledError, match="what was pending already may have been sent") as caught:
        prove()
    found = Trouble("reconcile", True, str(caught.value), incidents.cause_of(caught.value))
    assert found.is_consequence
    down = Trouble("extract", False, "the source is down", "SourceUnavailable")
    assert callbacks._causes(incidents.Situation([down, found], [])) == {"SourceUnavailable": False}


@pytest.mark.parametrize("zone", ["America/Santo_Domingo", "America/New_York"])
def test_ids_of_scheduled_runs_sort(zone: str) -> None:
    """Ids of scheduled runs sort in the order of the runs, even where the clocks change; incidents rely on it."""
    timetable = CivilDayTimetable(time(2), zone)
    restriction = TimeRestriction(pendulum.datetime(2026, 1, 1, tz=zone), None, catchup=True)
    ids, last = [], None
    for _ in range(365):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None
        last = info.data_interval
        ids.append(
            timetable.generate_run_id(run_type=DagRunType.SCHEDULED, run_after=info.run_after, data_interval=info.data_interval)
        )
    assert ids == sorted(set(ids))
    assert all(name.startswith("scheduled__") for name in ids)
