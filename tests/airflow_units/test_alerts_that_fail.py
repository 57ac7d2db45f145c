"""An alert that cannot be sent now is sent by a later callback, once by each channel; what hangs holds up nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pytest_mock import MockerFixture
from tablero.airflow import callbacks, configuration
from tablero.airflow.alerts.channels import Message
from tablero.contract.windows import undated_window
from tablero.errors import OutboxUnavailable, SetupError
from tablero.outbox import findings

from tests.airflow.sinks import Mailbox, monitor_server, smtp_server, webhook_server


class World:
    """An Airflow whose alerts go to a webhook and by mail, either of which can be out of order.

    :ivar heard: the kinds of the alerts that the webhook has received, in order.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self._setenv = monkeypatch.setenv
        self._hook, self._hook_port = stack.enter_context(webhook_server())
        self._mailbox, self._smtp_port = stack.enter_context(smtp_server())
        self._setenv("AIRFLOW_HOME", str(folder))
        self._setenv("AIRFLOW_CONN_TABLERO_OUTBOX", f"sqlite:///{folder}/outbox.db")
        self._setenv("AIRFLOW__TABLERO__ALERT_WEBHOOK_CONN_ID", "alert_hook")
        self._setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "operations@example.org")
        self.webhook(works=True)
        self.mail(works=True)

    def webhook(self, *, works: bool) -> None:
        port = self._hook_port if works else 1
        self._connect("ALERT_HOOK", conn_type="http", host=f"http://127.0.0.1:{port}/hook")

    def mail(self, *, works: bool) -> None:
        self.mail_server(self._smtp_port if works else 1)

    def mail_server(self, port: int) -> None:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "tablero@example.org"}
        self._connect("SMTP_DEFAULT", conn_type="smtp", host="127.0.0.1", port=port, extra=extra)

    def _connect(self, name: str, **connection: Any) -> None:
        self._setenv(f"AIRFLOW_CONN_{name}", orjson.dumps(connection).decode())

    @property
    def heard(self) -> list[str]:
        return [call["kind"] for call in self._hook]

    @property
    def mailed(self) -> list[str]:
        """The subjects of the mails."""
        return [mail.subject for mail in self._mailbox.mails]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An Airflow with a new outbox, where both channels work."""
    with ExitStack() as stack:
        yield World(tmp_path, monkeypatch, stack)


def night(number: int) -> Any:
    """The scheduled run of a night of November."""
    run_id = f"scheduled__2026-11-{number:02}T06:00:00+00:00"
    return SimpleNamespace(
        dag_id="daily_send", run_id=run_id, run_type="scheduled", conf={}, start_date=None, data_interval_end=None
    )


def fails(number: int) -> None:
    """A night fails, each time for the same reason."""
    run = night(number)
    ti = SimpleNamespace(task_id="extract", map_index=-1, try_number=1, dag_id=run.dag_id, run_id=run.run_id)
    callbacks.task_failed({"dag_run": run, "exception": SetupError("the view is missing"), "ti": ti})  # type: ignore[typeddict-item]
    callbacks.run_failed({"dag_run": run})  # type: ignore[typeddict-item]


def succeeds(number: int, *, undated: int = 0) -> None:
    """A night succeeds; so many rows had no date."""
    run = night(number)
    window = undated_window(date(2020, 1, 1), timezone.utc)
    unusual = [findings.Degradation.of("undated", window, undated, undated)] if undated else []
    with configuration.outbox() as engine:
        findings.keep_degradations(engine, run.dag_id, run.run_id, unusual, now=datetime.now(timezone.utc))
    callbacks.run_succeeded({"dag_run": run})  # type: ignore[typeddict-item]


def test_a_failure_that_could_not_be_sent(world: World) -> None:
    """Nobody hears of the first failed night, so the next one sends it; a third one has nothing to send."""
    world.webhook(works=False)
    world.mail(works=False)
    fails(1)
    world.webhook(works=True)
    world.mail(works=True)
    fails(2)
    fails(3)
    assert world.heard == ["failure"]
    assert len(world.mailed) == 1


def test_a_failure_that_is_over_before_it_could_be_sent(world: World) -> None:
    """A recovery from a failure of which nobody knew is alerted after it."""
    world.webhook(works=False)
    fails(1)
    world.webhook(works=True)
    succeeds(2)
    assert world.heard == ["failure", "recovery"]


@pytest.mark.parametrize(
    ("begin", "kinds"),
    [
        (lambda: fails(1), ["failure", "recovery"]),
        (lambda: succeeds(1, undated=3), ["degraded", "normal"]),
    ],
    ids=["recovery", "normal"],
)
def test_an_end_that_could_not_be_sent(begin: Callable[[], None], kinds: list[str], world: World) -> None:
    """The end of an incident, or of what was not as usual, is sent by the next night, once."""
    begin()
    world.webhook(works=False)
    succeeds(2)
    world.webhook(works=True)
    succeeds(3)
    succeeds(4)
    assert world.heard == kinds


def test_each_channel_gets_each_alert_once(world: World) -> None:
    """Mail that works does not end the attempts by the webhook, and these do not repeat the mail."""
    world.webhook(works=False)
    fails(1)
    fails(2)
    assert len(world.mailed) == 1
    world.webhook(works=True)
    fails(3)
    assert world.heard == ["failure"]
    assert len(world.mailed) == 1


def test_neither_outbox_nor_channel(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the outbox an alert counts as sent once a channel has taken it: it is not repeated, and its end is alerted."""

    def away() -> None:
        raise OutboxUnavailable("the disk is full")

    with monkeypatch.context() as outage:
        outage.setattr(configuration, "outbox", away)
        world.webhook(works=False)
        world.mail(works=False)
        fails(1)
        world.webhook(works=True)
        fails(2)
        fails(3)
    assert world.heard == ["failure"]
    succeeds(4)
    assert world.heard == ["failure", "recovery"]


def test_a_mail_that_is_refused_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server that does not take one mail gets the next one all the same, and the one that it refused once more."""
    deliver = Mailbox.handle_DATA

    async def refuse_failures(mailbox: Mailbox, server: Any, session: Any, envelope: Any) -> str:
        return "552 5.3.4 too big" if b"failure" in envelope.content else await deliver(mailbox, server, session, envelope)

    monkeypatch.setattr(Message, "of", lambda alert: Message(alert.kind, alert.kind, alert.kind, {"kind": alert.kind}))
    with monkeypatch.context() as strict:
        strict.setattr(Mailbox, "handle_DATA", refuse_failures)
        fails(1)
        succeeds(2)
        assert world.mailed == ["recovery"]
    succeeds(3)
    assert world.mailed == ["recovery", "failure"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_late_day_that_could_not_be_alerted(is_async: bool, world: World) -> None:
    """The deadline's alert waits like any other, though it is sent from the triggerer."""
    run = {"dag_id": "daily_send", "dag_run_id": night(1).run_id, "start_date": None}

    def late() -> None:
        notifier = callbacks.LateNotifier()
        if is_async:
            asyncio.run(notifier.async_notify({"dag_run": run}))
        else:
            notifier.notify({"dag_run": run})

    world.webhook(works=False)
    late()
    assert world.heard == []
    world.webhook(works=True)
    succeeds(1)
    assert world.heard == ["late"]
    late()
    assert world.heard == ["late", "late"]


def test_a_mail_server_that_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server that accepts the connection and is silent holds up neither the webhook nor the heartbeat."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT", "20")
    with monitor_server() as (beats, port), socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(
            "AIRFLOW_CONN_MONITOR", orjson.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{port}/ping"}).decode()
        )
        monkeypatch.setenv("AIRFLOW__TABLERO__HEARTBEAT_CONN_ID", "monitor")
        world.mail(works=False)
        fails(1)
        world.mail_server(silent.getsockname()[1])
        succeeds(2, undated=3)
        assert world.heard == ["failure", "recovery", "degraded"]
        assert beats == ["/ping"]
    world.mail(works=True)
    succeeds(3, undated=3)
    assert ["FAILED" in subject for subject in world.mailed] == [True, False, False]


def test_the_heartbeat_comes_last(world: World, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts do not wait for the monitor."""
    from tablero.airflow.alerts import channels

    heard_before: list[list[str]] = []

    def beat(*_: object, **__: object) -> None:
        heard_before.append(world.heard)

    mocker.patch.object(channels, "beat", beat)
    monkeypatch.setenv("AIRFLOW__TABLERO__HEARTBEAT_CONN_ID", "monitor")
    succeeds(1, undated=3)
    assert heard_before == [["degraded"]]
