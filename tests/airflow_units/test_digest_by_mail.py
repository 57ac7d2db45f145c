"""The digest, sent to a real mail server by the callback of a scheduled run, once for each day, week or month."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pytest_mock import MockerFixture
from tablero.airflow import callbacks, digests
from tablero.contract.reasons import Reason
from tablero.delivery.health import digest
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate

from tests.airflow.sinks import Mail, Mailbox, smtp_server, webhook_server
from tests.integration.fake_dashboard import Dashboard
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, ZONE, changes, clock, settings


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """The mailbox of ``alert_emails``; forty rows of February 2020 are delivered and proved, one is rejected."""
    institution = Institution(tmp_path / "institution.db")
    institution.add(changes(40))
    institution.add([("1041", "WRONG", "2020-02-01", 99, "2020-02-02 10:00:00")])
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)

    def send_found(_: object) -> None:
        send(engine, Dashboard, settings(), [FEBRUARY], Run("run", clock))

    reconcile(engine, institution.source, settings(), [FEBRUARY], Run("run", clock), send=send_found)
    engine.dispose()
    with smtp_server() as (mailbox, port):
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", f"sqlite:///{tmp_path}/outbox.db")
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail_server(port))
        monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_EMAILS", "jefa@example.org")
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org")
        yield mailbox


def mail_server(port: int) -> str:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "tablero@example.org"}
    return orjson.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}).decode()


def end_of(day: str, conf: Any = None) -> None:
    """The scheduled run of a day succeeds."""
    after = datetime.fromisoformat(day).replace(tzinfo=ZONE) + timedelta(days=1)
    run = SimpleNamespace(
        dag_id="daily_send",
        run_id=f"scheduled__{after}",
        run_type="scheduled",
        conf=conf,
        data_interval_end=after,
        start_date=None,
    )
    callbacks.run_succeeded({"dag_run": run})  # type: ignore[typeddict-item]


def numbers(mail: Mail) -> dict[str, str]:
    """The lines of its English table."""
    english = mail.plain.split("Tablero digest")[1]
    return dict(line.rsplit(": ", 1) for line in english.splitlines()[1:] if ": " in line and "http" not in line)


@pytest.mark.parametrize(
    ("kind", "days", "label", "delivered", "read"),
    [
        ("daily", ["2020-02-01", "2020-02-01"], "2020-02-01", "40", "40"),
        ("weekly", ["2020-02-02", "2020-02-03", "2020-02-08"], "2020-W05", "40", "41"),
        ("monthly", ["2020-02-29", "2020-03-01", "2020-03-30"], "2020-02", "40", "41"),
    ],
)
def test_once_for_each_period(
    kind: str, days: list[str], label: str, delivered: str, read: str, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run after a period sends its digest, with the numbers of the period and a link to the page."""
    monkeypatch.setenv("AIRFLOW__TABLERO__DIGEST", kind)
    for day in days:
        end_of(day)
    (mail,) = mailbox.mails
    assert mail.to == ["jefa@example.org"]
    assert mail.subject.startswith(f"[Tablero] Resumen {label}: 40 filas entregadas")
    assert numbers(mail)["Delivered"] == delivered
    assert numbers(mail)["Read"] == read
    assert numbers(mail)["Pending"] == "0"
    assert "https://airflow.example.org/tablero/" in mail.plain
    assert "<table" in mail.text
    assert list(mail.files) == (["tablero-constancia-2020-02.json"] if kind == "monthly" else [])


def test_the_evidence_goes_with_the_month(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monthly digest has the evidence attached: the number of rows, the sum, and rejections by reason."""
    monkeypatch.setenv("AIRFLOW__TABLERO__DIGEST", "monthly")
    end_of("2020-03-01")
    (mail,) = mailbox.mails
    evidence = orjson.loads(mail.files["tablero-constancia-2020-02.json"])
    assert (evidence["month"], evidence["delivered"], evidence["pending"]) == ("2020-02", 40, 0)
    assert len(evidence["digest"]["value"]) == 64
    assert sum(count["rows"] for count in evidence["counts"]) == 40
    assert numbers(mail)["Rejected"] == "1"
    assert numbers(mail)[f"Rejected: {Reason.UNKNOWN_STATUS.text.en}"] == "1"


def test_a_mail_server_that_is_down(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If the mail server is down the callback does not fail, the webhook is notified once, and the digest is sent later."""
    monkeypatch.setenv("AIRFLOW__TABLERO__DIGEST", "monthly")
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_WEBHOOK_CONN_ID", "alert_hook")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with webhook_server() as (webhook, port):
        hook = orjson.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{port}/hook"}).decode()
        monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", hook)
        with monkeypatch.context() as down:
            down.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail_server(1))
            end_of("2020-03-01")
            end_of("2020-03-02")
        assert [call["kind"] for call in webhook] == ["undelivered"]
        assert "the digest 2020-02 could not be sent by mail" in webhook[0]["text"]
        end_of("2020-03-03")
        end_of("2020-03-04")
    assert ["2020-02" in mail.subject for mail in mailbox.mails] == [True]


def test_evidence_that_takes_too_long_is_left_out(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    """Airflow kills a callback that takes longer than 50 s: the digest of a large month says where to download the evidence."""
    monkeypatch.setenv("AIRFLOW__TABLERO__DIGEST", "monthly")
    mocker.patch.object(digests, "monotonic", side_effect=itertools.count(step=2 * digests._EVIDENCE_SECONDS))
    end_of("2020-03-01")
    (mail,) = mailbox.mails
    assert mail.files == {}
    assert numbers(mail)["Delivered"] == "40"
    for text in (mail.plain, mail.text):
        assert text.count("download it from https://airflow.example.org/tablero/evidence/2020-02") == 1
        assert text.count("descárguela de https://airflow.example.org/tablero/evidence/2020-02") == 1


def test_an_attempt_that_airflow_killed_is_reported_once(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that was killed cannot tell of itself, so the next run does, and tries again; later ones only try."""

    class Killed(BaseException):
        """Raised by nothing else."""

    def hang(*_: object) -> None:
        raise Killed

    monkeypatch.setenv("AIRFLOW__TABLERO__DIGEST", "monthly")
    with monkeypatch.context() as slow:
        slow.setattr(digest, "gather", hang)
        for day in ("2020-03-01", "2020-03-02", "2020-03-03"):
            with pytest.raises(Killed):
                end_of(day)
    end_of("2020-03-04")
    end_of("2020-03-05")
    undelivered, sent = mailbox.mails
    assert "the digest 2020-02 could not be sent by mail" in undelivered.subject
    assert sent.subject.startswith("[Tablero] Resumen 2020-02: 40 filas entregadas")
