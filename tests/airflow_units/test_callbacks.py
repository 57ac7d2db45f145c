"""The callbacks that Airflow calls when tasks and runs end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, time, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowTaskTimeout, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.timetables.base import TimeRestriction
from airflow.utils.types import DagRunType
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.airflow import callbacks, configuration, tasks
from tablero.airflow.alerts import channels, sending
from tablero.airflow.alerts.channels import Message
from tablero.airflow.operators import Stopped
from tablero.airflow.retries import Ended, TableroRetryPolicy
from tablero.airflow.timetable import CivilDayTimetable
from tablero.contract.windows import undated_window
from tablero.errors import NotSettledError, OutboxUnavailable, SetupError
from tablero.outbox import findings
from tablero.outbox.alerts import incidents, troubles
from tablero.outbox.alerts.incidents import EndedRun
from tablero.outbox.alerts.troubles import Trouble
from tablero.outbox.engine import connect, reading
from tablero.outbox.reports import health
from tablero.outbox.upgrade import migrate

CALLBACKS = [callbacks.task_failed, callbacks.run_failed, callbacks.run_succeeded]


class Opened(BaseException):
    """The outbox was opened. No callback survives it, unlike any error."""


@pytest.fixture(autouse=True)
def refusing_outbox(mocker: MockerFixture, tmp_path: Path) -> None:
    """An outbox that raises when it is opened, and a home folder of the test's own."""

    def outbox() -> None:
        raise Opened

    mocker.patch.object(configuration, "outbox", outbox)
    mocker.patch.object(configuration, "airflow_home", return_value=tmp_path)


@pytest.fixture
def sent(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The alerts sent, to one channel, which takes all of them."""
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
    messages: list[Message] = []

    def send(_settings: object, given: Mapping[str, Sequence[Message]], *, seconds: float) -> dict[str, list[bool]]:
        for some in given.values():
            messages.extend(some)
        return {channel: [True] * len(some) for channel, some in given.items()}

    mocker.patch.object(sending, "send", send)
    return messages


@pytest.fixture
def outbox(mocker: MockerFixture, tmp_path: Path) -> Iterator[Engine]:
    """An outbox that works."""
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)
    mocker.patch.object(configuration, "outbox", return_value=nullcontext(engine))
    yield engine
    engine.dispose()


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


@pytest.mark.parametrize("trouble", [OutboxUnavailable("the disk is full"), TypeError("'int' object is not callable")])
@pytest.mark.parametrize(("callback", "tells"), zip(CALLBACKS, [False, True, False], strict=True))
def test_the_outbox_is_away(
    callback: Callable[[Any], None],
    tells: bool,
    trouble: Exception,
    sent: list[Message],
    mocker: MockerFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever error the outbox raises, a failure is still alerted, a success reports no recovery, and no callback fails."""
    mocker.patch.object(configuration, "outbox", side_effect=trouble)
    with caplog.at_level("WARNING"):
        callback(context({}))
    assert ["FAILED" in message.subject for message in sent] == [True] * tells
    assert str(trouble) in caplog.text


def test_the_outbox_is_full_for_three_nights(sent: list[Message], mocker: MockerFixture, outbox: Engine) -> None:
    """An outage of the outbox is alerted in its first night, and its end once, although neither can be recorded."""
    mocker.patch.object(configuration, "outbox", side_effect=OutboxUnavailable("the disk is full"))
    for _ in range(3):
        callbacks.run_failed(context({}, "scheduled"))
    mocker.patch.object(configuration, "outbox", return_value=nullcontext(outbox))
    for _ in range(2):
        callbacks.run_succeeded(context({}, "scheduled"))
    assert [message.json["kind"] for message in sent] == ["failure", "recovery"]


def test_the_heartbeat_needs_no_outbox(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """The heartbeat does not need the outbox, and manual runs do not call it."""
    beats: list[str] = []
    mocker.patch.object(channels, "beat", lambda conn_id, *, seconds: beats.append(conn_id))
    mocker.patch.object(configuration, "outbox", side_effect=OutboxUnavailable("the server is away"))
    monkeypatch.setenv("AIRFLOW__TABLERO__HEARTBEAT_CONN_ID", "monitor")
    for run_type in ("scheduled", "manual", "backfill"):
        callbacks.run_succeeded(context({}, run_type))
    callbacks.run_failed(context({}, "scheduled"))
    assert beats == ["monitor"]


@pytest.mark.parametrize("run_type", [*DagRunType])
def test_only_the_schedule_makes_a_row_of_runs(
    run_type: DagRunType, sent: list[Message], monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, outbox: Engine
) -> None:
    """Only scheduled runs count as failures in a row; manual runs and backfills are alerted at their first failure."""
    heard = []

    def failed(_connection: object, run: EndedRun, *, threshold: int, **_: Any) -> incidents.Opened:
        heard.append((run, threshold))
        return incidents.Opened(["down"], None)

    def succeeded(_connection: object, run: EndedRun, **_: Any) -> bool:
        heard.append((run, None))
        return True

    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_AFTER_FAILURES", "3")
    mocker.patch.object(incidents, "run_failed", failed)
    mocker.patch.object(incidents, "run_succeeded", succeeded)
    callbacks.run_failed(context({}, run_type))
    callbacks.run_succeeded(context({}, run_type))
    scheduled = run_type is DagRunType.SCHEDULED
    assert heard == [
        (EndedRun("daily_send", "run", scheduled), 3 if scheduled else 1),
        (EndedRun("daily_send", "run", scheduled), None),
    ]
    assert len(sent) == 2


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


def test_a_failed_run_nobody_is_alerted_of(sent: list[Message], monkeypatch: pytest.MonkeyPatch, outbox: Engine) -> None:
    """The incident is recorded, but counts as alerted only after an alert was queued for somebody."""
    monkeypatch.delenv("AIRFLOW__TABLERO__ALERT_EMAILS")
    callbacks.run_failed(context({}, "scheduled"))
    with reading(outbox) as connection:
        assert health.is_failing(connection)
    assert sent == []
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
    callbacks.run_failed(context({}, "scheduled"))
    assert [message.json["kind"] for message in sent] == ["failure"]


def test_a_night_that_was_killed_ends_no_incident(sent: list[Message], outbox: Engine) -> None:
    """A run that failed without a failure on record may not have come to its work: what was failing before still is."""

    def night(number: int, trouble: str | None) -> None:
        run = context({}, "scheduled")
        for one in (run["ti"], run["dag_run"]):
            one.run_id = f"scheduled__2026-11-0{number}T06:00:00+00:00"
        if trouble is not None:
            run["exception"] = SetupError(trouble)
            callbacks.task_failed(run)
        callbacks.run_failed(run)

    night(1, "no such view")
    night(2, None)
    night(3, "no such view")
    assert [message.json["cause"] for message in sent] == ["no such view", None]


def test_a_failed_night_does_not_end_what_is_not_as_usual(sent: list[Message], outbox: Engine) -> None:
    """A run that failed before it judged anything keeps the degradation of the night before; the next success ends it."""
    found = findings.Degradation.of("undated", undated_window(date(2020, 1, 1), timezone.utc), 3, 3)
    findings.keep_degradations(outbox, "daily_send", "run", [found], now=datetime.now(timezone.utc))
    callbacks.run_succeeded(context({}, "scheduled"))
    findings.keep_degradations(outbox, "daily_send", "run", [], now=datetime.now(timezone.utc))
    callbacks.run_failed(context({}, "scheduled"))
    callbacks.run_succeeded(context({}, "scheduled"))
    assert [message.json["kind"] for message in sent] == ["degraded", "failure", "recovery", "normal"]


@pytest.mark.parametrize(
    ("error", "said", "cause"),
    [
        (Stopped(143), "The task was told to end (SIGTERM)", "Stopped"),
        (AirflowTaskTimeout("Timeout, PID: 77"), "has reached its time limit (execution_timeout)", "AirflowTaskTimeout"),
        ("the heartbeat was lost", "Airflow has ended the task (the heartbeat was lost)", "Killed"),
        (Ended(SetupError("no such view")), "no such view", "SetupError"),
    ],
    ids=["stopped", "out of time", "killed", "ended"],
)
def test_an_end_that_is_nobodys_mistake(
    error: BaseException | str, said: str, cause: str, outbox: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that is stopped or out of time is no unexpected error, neither in its log nor in the alert."""
    with caplog.at_level("INFO"):
        callbacks.task_failed(context({}) | {"exception": error})
        callbacks.task_retried(context({}) | {"exception": error})
    (found,) = troubles.situation(outbox, "daily_send", "run", since=None).troubles
    assert said in found.words
    assert found.cause.partition(":")[0] == cause
    assert [said in record.getMessage() for record in caplog.records if record.levelname != "INFO"] == [True, True]
    assert "Unexpected error" not in caplog.text + found.words


def test_an_error_of_a_library_that_has_an_error_in_it(outbox: Engine) -> None:
    """Only our own exception is taken apart: Airflow's errors carry answers of its server, which are no exceptions."""
    carried = AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={}))
    callbacks.task_failed(context({}) | {"exception": carried})
    (found,) = troubles.situation(outbox, "daily_send", "run", since=None).troubles
    assert found.cause == "AirflowRuntimeError"
    decision = TableroRetryPolicy(1, 1, 1, "seed").evaluate(carried, 1, 1)
    assert decision.reason == "AirflowRuntimeError"


def test_an_error_of_a_library_may_quote_a_row(outbox: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Alerts name its class alone, and so does every line that Tablero writes."""
    error = KeyError("REQ-77")
    callbacks.task_failed(context({}) | {"exception": error})
    callbacks.task_retried(context({}) | {"exception": error})
    (found,) = troubles.situation(outbox, "daily_send", "run", since=None).troubles
    decision = TableroRetryPolicy(1, 1, 1, "seed").evaluate(error, 1, 1)
    assert "Unexpected error, KeyError" in found.words
    assert "REQ-77" not in found.words + caplog.text + str(decision.reason)


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
    found = Trouble("reconcile", True, str(caught.value), troubles.cause_of(caught.value))
    assert found.is_consequence
    down = Trouble("extract", False, "the source is down", "SourceUnavailable")
    assert callbacks._causes(troubles.Situation([down, found], [])) == {"SourceUnavailable": False}


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
