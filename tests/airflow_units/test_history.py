"""What a run asks Airflow about runs and tasks: which failed although all is settled, and whether anything was delivered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from sqlalchemy import create_engine
from tablero.airflow import history
from tablero.contract.windows import month_windows
from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.errors import SetupError
from tablero.outbox import ledger

from tests.integration.samples import NOW, ZONE

JANUARY, FEBRUARY = month_windows(NOW.replace(year=2020, month=1, day=1).date(), NOW.replace(2020, 2, 1).date(), ZONE, NOW)
MONTHS = {"load_month_0": JANUARY, "load_month_1": FEBRUARY}
ENGINE = create_engine("sqlite://")


class Events(list[Any]):
    """Airflow's ``inlet_events`` of an asset, as far as they are used."""

    def ascending(self, _: bool) -> Events:
        return Events(reversed(self))

    def limit(self, count: int) -> Events:
        return Events(self[:count])


class State(dict[str, Any]):
    """What Airflow keeps for an asset."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def running(mocker: MockerFixture, **context: Any) -> None:
    """Inside a task with this context."""
    mocker.patch.object(history, "get_current_context", return_value=context)


def with_states(mocker: MockerFixture, **states: str) -> None:
    """Inside a task of a run whose tasks have these states."""
    ti = SimpleNamespace(dag_id="historical_load", run_id="run", get_task_states=lambda **_: {"run": states})
    running(mocker, ti=ti)


@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_a_red_square_in_a_green_run(state: str, mocker: MockerFixture, caplog: pytest.LogCaptureFixture) -> None:
    """A failed task of a settled window is named with its month, the reason, and what can be done."""
    with_states(mocker, load_month_0="success", load_month_1=state, reconcile="running", preflight="success")
    history.name_failed_tasks(MONTHS)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "load_month_1 (2020-02) failed, and its window is settled" in record.message
    assert "reconcile proved it. There is nothing to do" in record.message
    assert "Limpiar Instancia de Tarea" in record.message


def test_nothing_red(mocker: MockerFixture, caplog: pytest.LogCaptureFixture) -> None:
    """Without failed tasks of windows nothing is reported."""
    with_states(mocker, load_month_0="success", load_month_1="success", something_else="failed")
    history.name_failed_tasks(MONTHS)
    assert not caplog.records


def test_airflow_does_not_say(mocker: MockerFixture) -> None:
    """If Airflow does not answer, there is only a remark, and the run does not fail."""

    def away(**_: Any) -> None:
        raise ConnectionError

    running(mocker, ti=SimpleNamespace(dag_id="d", run_id="r", get_task_states=away))
    history.name_failed_tasks(MONTHS)


def events(*delivered: int | None) -> dict[Any, Events]:
    """Events of runs that delivered this many rows; ``None``: nothing changed in that run."""
    found = [
        SimpleNamespace(source_run_id=f"run-{number}", extra={"windows": [{"delivered": rows}] if rows is not None else []})
        for number, rows in enumerate(delivered)
    ]
    return {history.RECONCILIATIONS: Events(found)}


@pytest.mark.parametrize(("delivered", "named"), [((5, None), "run-0"), ((5, 7, 0), "run-1")])
def test_an_empty_outbox_beside_runs_that_delivered(
    delivered: tuple[int | None, ...], named: str, mocker: MockerFixture
) -> None:
    """An empty outbox after runs that delivered is refused, naming the last such run, unless an operator accepts it."""
    mocker.patch.object(ledger, "is_empty", return_value=True)
    running(mocker, inlet_events=events(*delivered), asset_state_store={history.RECONCILIATIONS: State()})
    with pytest.raises(SetupError, match=rf"the last one, {named}\)"):
        history.require_known_outbox(ENGINE, accept_changes=False)
    history.require_known_outbox(ENGINE, accept_changes=True)


@pytest.mark.parametrize(("empty", "delivered"), [(True, ()), (True, (0, None)), (False, (5,))])
def test_an_outbox_that_may_be_as_it_is(empty: bool, delivered: tuple[int | None, ...], mocker: MockerFixture) -> None:
    """An outbox is accepted if it is new and nothing was ever delivered, or if it knows what was delivered."""
    mocker.patch.object(ledger, "is_empty", return_value=empty)
    running(mocker, inlet_events=events(*delivered), asset_state_store={history.RECONCILIATIONS: State()})
    history.require_known_outbox(ENGINE, accept_changes=False)


def attempt(answer: Answer) -> Attempt:
    """A call with ten rows and this answer."""
    return Attempt(1, 10, "message", answer, FEBRUARY)


@pytest.mark.parametrize("answer", [Answer(Outcome.DELIVERED), Answer(Outcome.REFUSED, named=(1,), partial=True)])
def test_runs_that_delivered_and_were_never_green(answer: Answer, mocker: MockerFixture) -> None:
    """A delivery is noted with the first acknowledgement, whatever becomes of the task and of the proof of its run."""
    mocker.patch.object(ledger, "is_empty", return_value=True)
    running(mocker, inlet_events=events(), asset_state_store={history.RECONCILIATIONS: State()})
    seen: list[Attempt] = []
    observe = history.remembering(seen.append, "run-7")
    refused = Answer(Outcome.REFUSED)
    observe(attempt(refused))
    history.require_known_outbox(ENGINE, accept_changes=False)
    observe(attempt(answer))
    with pytest.raises(SetupError, match=r"the last one, run-7\)"):
        history.require_known_outbox(ENGINE, accept_changes=False)
    assert [one.answer for one in seen] == [refused, answer]


def test_a_delivery_that_airflow_does_not_note(mocker: MockerFixture) -> None:
    """If Airflow does not answer, the rows are sent all the same."""
    running(mocker)
    history.remembering(lambda _: None, "run")(attempt(Answer(Outcome.DELIVERED)))
