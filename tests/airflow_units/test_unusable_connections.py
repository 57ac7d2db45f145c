"""A connection that cannot be used is a clear, permanent error, and no callback is silent because of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from tablero.airflow import configuration
from tablero.errors import SetupError
from tablero.settings import Settings

from tests.airflow.sinks import webhook_server
from tests.airflow_units.test_alerts_that_fail import fails

DIRECT = Settings.read({"api_path": "/api/load"})

#: How each connection is opened.
OPENERS: dict[str, Callable[[], Any]] = {
    "tablero_source": lambda: configuration.source(DIRECT),
    "tablero_outbox": configuration.outbox,
    "tablero_api": lambda: configuration.dashboard(DIRECT),
}

#: What people write, by what is wrong with it.
WRITTEN = {
    "SQLAlchemy's URL": "postgresql+psycopg://u:pw-secret@h/d",
    "a provider that is missing": "nosuchdb://u:pw-secret@h/d",
    "no JSON at all": '{"conn_type": "postgres", "password": "pw-secret"',
    "a list as Extra": json.dumps({"conn_type": "postgres", "host": "h", "password": "pw-secret", "extra": "[1]"}),
    "words as Extra": json.dumps({"conn_type": "postgres", "host": "h", "extra": "sslmode=verify-full pw-secret"}),
    "a query that is none": json.dumps({"conn_type": "postgres", "host": "h", "extra": {"sqlalchemy_query": "pw-secret"}}),
}


def opened(conn_id: str) -> None:
    """Open a connection, and what it is made into."""
    found = OPENERS[conn_id]()
    if isinstance(found, AbstractContextManager):
        with ExitStack() as stack:
            stack.enter_context(found)


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("conn_id", ["tablero_source", "tablero_outbox"])
def test_what_people_write(conn_id: str, written: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is wrong, the error names the connection, asks for a change, and quotes no password; no file replaces it."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", written)
    with pytest.raises(SetupError, match=conn_id) as caught:
        opened(conn_id)
    assert "pw-secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("conn_id", OPENERS)
def test_an_extra_that_airflow_would_drop(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow ignores an Extra that is no JSON: the TLS that it asks for would be dropped without a word."""
    kind = "http" if conn_id == "tablero_api" else "postgres"
    written = {"conn_type": kind, "host": "h", "extra": "sslmode=verify-full"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(written))
    with pytest.raises(SetupError, match=f"Extra of connection {conn_id} is no JSON object"):
        opened(conn_id)


@pytest.mark.parametrize("extra", ["", "  ", "{}", {"sslmode": "require"}])
def test_an_extra_that_is_none_or_an_object(extra: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Extra may be missing."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", json.dumps({"conn_type": "postgres", "host": "h", "extra": extra}))
    assert configuration.outbox_url().host == "h"


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_an_alert_needs_no_usable_outbox(written: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The failure that every run then ends with is alerted, once, with the error that says what to change."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", written)
    monkeypatch.setenv("AIRFLOW__TABLERO__ALERT_WEBHOOK_CONN_ID", "alert_hook")
    with webhook_server() as (heard, port):
        monkeypatch.setenv(
            "AIRFLOW_CONN_ALERT_HOOK", json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{port}/hook"})
        )
        fails(1)
        fails(2)
    (alert,) = heard
    assert "tablero_outbox" in alert["cause"]
    assert "pw-secret" not in str(alert)
