"""What a run asks Airflow about runs and tasks: which failed although all is settled, and whether anything was delivered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.airflow import history
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import month_windows
from tablero.dashboard.answer import Answer, Attempt, Outcome, log_line
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import SetupError
from tablero.outbox import adoption, ledger
from tablero.outbox.engine import connect, reading
from tablero.outbox.ledger import Account
from tablero.outbox.schema import batch
from tablero.outbox.upgrade import migrate

from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import FEBRUARY, NOW, ZONE, changes, clock, settings, stage

(JANUARY,) = month_windows(NOW.replace(2020, 1, 1).date(), NOW.replace(2020, 1, 1).date(), ZONE, NOW)
MONTHS = {"load_month_0": JANUARY, "load_month_1": FEBRUARY}
#: When the runs that Airflow remembers were proved.
AT = datetime(2099, 11, 20, 6, tzinfo=timezone.utc)


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


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Engine]:
    """An empty outbox."""
    engine = connect(f"sqlite:///{tmp_path / 'outbox.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


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
    found = []
    for number, rows in enumerate(delivered):
        extra = {"windows": [{"delivered": rows}] if rows is not None else []}
        found.append(SimpleNamespace(source_run_id=f"run-{number}", timestamp=AT, extra=extra))
    return {history.RECONCILIATIONS: Events(found)}


def remembers(mocker: MockerFixture, *delivered: int | None, state: State | None = None) -> State:
    """Inside a task of an Airflow that remembers these runs."""
    found = State() if state is None else state
    running(mocker, inlet_events=events(*delivered), asset_state_store={history.RECONCILIATIONS: found})
    return found


@pytest.mark.parametrize(("delivered", "named"), [((5, None), "run-0"), ((5, 7, 0), "run-1")])
def test_an_empty_outbox_beside_runs_that_delivered(
    delivered: tuple[int | None, ...], named: str, outbox: Engine, mocker: MockerFixture
) -> None:
    """An empty outbox after runs that delivered is refused, naming the last such run, unless an operator accepts it."""
    remembers(mocker, *delivered)
    with pytest.raises(SetupError, match=rf"is empty.*the last one, {named}\)"):
        history.require_known_outbox(outbox, settings(), accept_changes=False)
    history.require_known_outbox(outbox, settings(), accept_changes=True)


@pytest.mark.parametrize("delivered", [(), (0, None)])
def test_a_new_outbox(delivered: tuple[int | None, ...], outbox: Engine, mocker: MockerFixture) -> None:
    """An empty outbox is accepted if nothing was ever delivered."""
    remembers(mocker, *delivered)
    history.require_known_outbox(outbox, settings(), accept_changes=False)


def test_an_outbox_that_knows_the_last_run(outbox: Engine, mocker: MockerFixture) -> None:
    """After an upgrade, the proof of the last run that delivered says that the outbox is the usual one."""
    ledger.keep(outbox, Account(FEBRUARY, read=5, delivered=5, recount=5), "run-1", AT)
    sent(outbox)
    remembers(mocker, 5, 7, 0)
    history.require_known_outbox(outbox, settings(), accept_changes=False)
    remembers(mocker, 5, 7, 9)
    with pytest.raises(SetupError, match="does not know the last delivery that Airflow remembers \\(run-2, of 2099-11-20\\)"):
        history.require_known_outbox(outbox, settings(), accept_changes=False)


def sent(engine: Engine, run_id: str = "run", number: int = 0) -> list[Attempt]:
    """Deliver a row; the calls that this took."""
    stage(engine, changes(1, first=number), run_id=run_id)
    calls: list[Attempt] = []
    with history.remembering(calls.append, run_id) as observe:
        send(engine, Dashboard, settings(), [FEBRUARY], Run(run_id, clock), observe=observe)
    return calls


def copy(engine: Engine, path: Path) -> Engine:
    """A backup of the outbox as it is now."""
    with sqlite3.connect(str(engine.url.database)) as source, sqlite3.connect(path) as target:
        source.backup(target)
    return connect(f"sqlite:///{path}")


def test_a_backup_that_was_put_back(outbox: Engine, tmp_path: Path, mocker: MockerFixture) -> None:
    """A copy from before the last delivery is refused, whether that was of a later run or of the same one; the newest one is
    not, nor any if the rows since were adopted.
    """
    remembers(mocker)
    first = copy(outbox, tmp_path / "0.db")
    copies = []
    for number, run_id in enumerate(("run-a", "run-b", "run-b", "run-c")):
        sent(outbox, run_id, number)
        copies.append(copy(outbox, tmp_path / f"{number + 1}.db"))
        history.require_known_outbox(outbox, settings(), accept_changes=False)
    history.require_known_outbox(copies[-1], settings(), accept_changes=False)
    with pytest.raises(SetupError, match="is empty"):
        history.require_known_outbox(first, settings(), accept_changes=False)
    for older in copies[:-1]:
        with pytest.raises(SetupError, match=r"older copy.*Nothing was sent.*tablero adopt --from 20"):
            history.require_known_outbox(older, settings(), accept_changes=False)
    adopt(copies[0], changes(4))
    history.require_known_outbox(copies[0], settings(), accept_changes=False)


def test_another_outbox_that_is_no_older_copy(outbox: Engine, tmp_path: Path, mocker: MockerFixture) -> None:
    """An outbox whose own last delivery is the later one, as where the connection changes, has forgotten nothing."""
    other = copy(outbox, tmp_path / "other.db")
    remembers(mocker)
    sent(outbox, "run-a", 0)
    running(mocker)  # of which this Airflow knows nothing
    sent(other, "run-b", 1)
    remembers(mocker, state=State(last_delivery={"run": "run-a", "message": "one", "at": "2026-11-20T06:00:00+00:00"}))
    history.require_known_outbox(other, settings(), accept_changes=False)


def adopt(engine: Engine, rows: list[StatusChange]) -> None:
    """Record these rows as delivered, as a person does."""
    stage(engine, rows, run_id="adopt")
    adoption.adopt(engine, FEBRUARY, run_id="adopt", words="by hand", zone=ZONE, now=datetime.now(timezone.utc))


def test_a_doubtful_batch_that_a_person_confirms(outbox: Engine, tmp_path: Path, mocker: MockerFixture) -> None:
    """Confirming one batch, on the page or by its number, does not say what was delivered since the copy was made."""
    remembers(mocker)
    sent(outbox, "run-a", 0)
    stage(outbox, changes(1, first=7), run_id="run-a")
    older = copy(outbox, tmp_path / "older.db")
    sent(outbox, "run-b", 1)
    with reading(older) as connection:
        (doubtful,) = connection.scalars(sa.select(batch.c.id).where(batch.c.state == "pending"))
    adoption.adopt_batch(older, doubtful, run_id="page__1", words="by hand", now=datetime.now(timezone.utc))
    with pytest.raises(SetupError, match="older copy"):
        history.require_known_outbox(older, settings(), accept_changes=False)


@pytest.mark.parametrize(
    ("last", "at", "days"),
    [
        ("2026-11-20T06:10", "2026-11-25T06:15", ("2026-11-20", "2026-11-24")),
        ("2026-11-20T03:10", "2026-11-25T03:15", ("2026-11-19", "2026-11-23")),  # before midnight in Santo Domingo
        ("2026-11-25T06:10", "2026-11-25T06:15", ("2026-11-24", "2026-11-24")),
        (None, "2026-11-25T06:15", ("2020-01-01", "2026-11-24")),
    ],
)
def test_the_days_to_adopt(last: str | None, at: str, days: tuple[str, str]) -> None:
    """The day of the last delivery was not over, so its rows are not to be recorded as delivered; and days are the
    institution's.
    """
    ends = [datetime.fromisoformat(one).replace(tzinfo=timezone.utc) if one else None for one in (last, at)]
    found = history._days_since(settings(), *ends)  # type: ignore[arg-type]
    assert tuple(map(str, found)) == days


def test_a_backup_from_the_middle_of_a_run(outbox: Engine, tmp_path: Path, mocker: MockerFixture) -> None:
    """The last call of a run counts, not only its first."""
    state, copies = remembers(mocker), []
    stage(outbox, changes(3), size=1)
    with history.remembering(lambda _: copies.append(copy(outbox, tmp_path / f"{len(copies)}.db")), "run") as observe:
        send(outbox, Dashboard, settings(concurrency=1), [FEBRUARY], Run("run", clock), observe=observe)
    assert (state["last_delivery"]["run"], len(copies)) == ("run", 3)
    with pytest.raises(SetupError, match="older copy"):
        history.require_known_outbox(copies[0], settings(), accept_changes=False)
    history.require_known_outbox(copies[2], settings(), accept_changes=False)


def test_an_older_copy_that_is_accepted(outbox: Engine, tmp_path: Path, mocker: MockerFixture) -> None:
    """What an operator has accepted once is not asked of the following nights, though that run had nothing to send."""
    remembers(mocker, 5)
    sent(outbox, "run-a", 0)
    older = copy(outbox, tmp_path / "older.db")
    sent(outbox, "run-b", 1)
    history.require_known_outbox(older, settings(), accept_changes=True)
    history.require_known_outbox(older, settings(), accept_changes=False)


def test_runs_at_the_same_time(outbox: Engine, mocker: MockerFixture) -> None:
    """Whichever run delivers last, its calls are in the outbox of all."""
    remembers(mocker)
    stage(outbox, changes(2), size=1)
    with history.remembering(log_line, "load") as one, history.remembering(log_line, "night") as other:
        for run_id, observe in (("load", one), ("night", other)):
            send(outbox, Dashboard, settings(), [FEBRUARY], Run(run_id, clock), observe=observe)
            stage(outbox, changes(2, first=2), size=1)
            history.require_known_outbox(outbox, settings(), accept_changes=False)
    history.require_known_outbox(outbox, settings(), accept_changes=False)


def attempt(answer: Answer) -> Attempt:
    """A call with ten rows and this answer."""
    return Attempt(1, 10, "message", answer, FEBRUARY.label)


@pytest.mark.parametrize("answer", [Answer(Outcome.DELIVERED), Answer(Outcome.REFUSED, named=(1,), partial=True)])
def test_runs_that_delivered_and_were_never_green(answer: Answer, outbox: Engine, mocker: MockerFixture) -> None:
    """A delivery is noted with the first acknowledgement, whatever becomes of the task and of the proof of its run."""
    remembers(mocker)
    seen: list[Attempt] = []
    with history.remembering(seen.append, "run-7") as observe:
        refused = Answer(Outcome.REFUSED)
        observe(attempt(refused))
        history.require_known_outbox(outbox, settings(), accept_changes=False)
        observe(attempt(answer))
        with pytest.raises(SetupError, match=r"the last one, run-7\)"):
            history.require_known_outbox(outbox, settings(), accept_changes=False)
    assert [one.answer for one in seen] == [refused, answer]


def test_a_delivery_that_airflow_does_not_note(mocker: MockerFixture) -> None:
    """If Airflow does not answer, the rows are sent all the same."""
    running(mocker)
    with history.remembering(lambda _: None, "run") as observe:
        observe(attempt(Answer(Outcome.DELIVERED)))
