"""Section ``[tablero]``: defaults, what each key accepts, and what is said of a wrong value."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from typing import Any

import pytest
from pydantic import ValidationError
from tablero.errors import SettingsError
from tablero.settings import Settings

#: Key, default, a text that is accepted, what it means.
KEYS: list[tuple[str, Any, str, Any]] = [
    (
        "api_path",
        "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load",
        "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/api/load",
        "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/api/load",
    ),
    ("xroad_client", None, " DO/GOB/INST/SOLICITUDES ", "DO/GOB/INST/SOLICITUDES"),
    ("source_table", "tablero_status_changes", "reports.changes", "reports.changes"),
    ("source_sql", None, "/opt/airflow/own.sql", "/opt/airflow/own.sql"),
    ("timezone", "America/Santo_Domingo", "America/New_York", "America/New_York"),
    ("source_timezone", None, "UTC", "UTC"),
    ("earliest", date(2020, 1, 1), "2021-06-01", date(2021, 6, 1)),
    ("batch_size", 1000, "250", 250),
    ("group_by_service", False, "True", True),
    ("concurrency", 4, "1", 1),
    ("parallel_months", 2, "8", 8),
    ("daily_at", time(2), "23:30", time(23, 30)),
    ("lookback_days", 3, "0", 0),
    ("heal_days", 31, "366", 366),
    ("send_hours", None, "20:00-06:00", (time(20), time(6))),
    ("retries", Settings().retries, "0", 0),
    ("retry_delay", Settings().retry_delay, "1.5", 1.5),
    ("max_retry_delay", 1800, "86400", 86400),
    ("connect_timeout", 10, "3", 3),
    ("read_timeout", 120, "600", 600),
    ("alert_emails", (), " ana@example.org, ,luis@example.org", ("ana@example.org", "luis@example.org")),
    ("alert_webhook_conn_id", None, "alerts", "alerts"),
    ("alert_after_failures", 1, "3", 3),
]

#: Key, a wrong text, part of what is said to be allowed.
WRONG = [
    ("api_path", "api/load", "absolute path"),
    ("api_path", "/api//load", "absolute path"),
    ("api_path", "/api/load?x=1", "absolute path"),
    ("api_path", "/api /load", "absolute path"),
    ("api_path", "https://host/api/load", "absolute path"),
    ("api_path", "/services-data/requests", "deprecated"),
    ("api_path", "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/services-data/requests/", "deprecated"),
    ("xroad_client", "DO/GOB/INST", "DO/GOB/<member>/<subsystem>"),
    ("xroad_client", "DO/GOB/INST/", "DO/GOB/<member>/<subsystem>"),
    ("xroad_client", "/DO/GOB/INST/SOL", "DO/GOB/<member>/<subsystem>"),
    ("timezone", "America/Macondo", "name of a time zone"),
    ("timezone", "-04:00", "name of a time zone"),
    ("source_timezone", "local time", "name of a time zone"),
    ("earliest", "01/01/2020", "date"),
    ("batch_size", "0", "greater than or equal to 1"),
    ("batch_size", "1001", "less than or equal to 1000"),
    ("batch_size", "many", "integer"),
    ("group_by_service", "perhaps", "boolean"),
    ("concurrency", "0", "greater than or equal to 1"),
    ("concurrency", "65", "less than or equal to 64"),
    ("parallel_months", "0", "greater than or equal to 1"),
    ("daily_at", "2 am", "time of day such as 02:00"),
    ("daily_at", "24:00", "time of day such as 02:00"),
    ("lookback_days", "-1", "greater than or equal to 0"),
    ("heal_days", "367", "less than or equal to 366"),
    ("send_hours", "20:00", "two times of day such as 20:00-06:00"),
    ("send_hours", "20:00-25:00", "time of day"),
    ("send_hours", "08:00-08:00", "never open"),
    ("retries", "-1", "greater than or equal to 0"),
    ("retry_delay", "0", "greater than 0"),
    ("max_retry_delay", "86401", "less than or equal to 86400"),
    ("connect_timeout", "0", "greater than 0"),
    ("read_timeout", "3601", "less than or equal to 3600"),
    ("read_timeout", "nan", "less than or equal to 3600"),
    ("alert_after_failures", "0", "greater than or equal to 1"),
]


def plain(value: Any) -> Any:
    """Zones by their name."""
    return getattr(value, "name", value)


def test_every_key_is_tested_here() -> None:
    """A setting that is added must be added to these tables."""
    assert [key for key, *_ in KEYS] == list(Settings.model_fields)


@pytest.mark.parametrize(("key", "default", "text", "meaning"), KEYS, ids=[key for key, *_ in KEYS])
def test_a_key(key: str, default: Any, text: str, meaning: Any) -> None:
    """Its default, also for blanks, and a text as it stands in the environment."""
    assert plain(getattr(Settings.read({}), key)) == default
    assert plain(getattr(Settings.read({key: "  "}), key)) == default
    assert plain(getattr(Settings.read({key: text}), key)) == meaning
    assert Settings.model_fields[key].description


@pytest.mark.parametrize(("key", "text", "allowed"), WRONG)
def test_a_wrong_value(key: str, text: str, allowed: str) -> None:
    """The error names the key, the variable, the value, what is allowed and what it means."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({key: text})
    said = str(caught.value)
    assert f"[tablero] {key} = {text!r} is wrong (AIRFLOW__TABLERO__{key.upper()})" in said
    assert allowed in said
    assert f"It means: {Settings.model_fields[key].description}." in said


def test_all_wrong_values_are_told_at_once() -> None:
    """One line each, so that nobody mends them one deployment at a time."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({"batch_size": "0", "timezone": "x", "bach_size": "10"})
    lines = str(caught.value).splitlines()
    assert [line.split()[1] for line in lines] == ["timezone", "batch_size", "bach_size"]


def test_an_unknown_key() -> None:
    """A slip of the pen does not pass in silence; the error lists the keys that there are."""
    with pytest.raises(SettingsError, match=r"bach_size is no setting \(AIRFLOW__TABLERO__BACH_SIZE\).*batch_size"):
        Settings.read({"bach_size": "10"})


def test_delays_must_fit_together() -> None:
    """The cap may not lie below the first delay."""
    with pytest.raises(SettingsError, match="max_retry_delay must not be less than retry_delay"):
        Settings.read({"retry_delay": "100", "max_retry_delay": "99"})


def test_frozen() -> None:
    """Nobody changes a setting on the way."""
    with pytest.raises(ValidationError):
        Settings.read({}).batch_size = 5


def test_the_zone_of_the_source() -> None:
    """The institution's own unless said otherwise."""
    assert Settings.read({"timezone": "America/New_York"}).source_zone.name == "America/New_York"
    assert Settings.read({"timezone": "America/New_York", "source_timezone": "UTC"}).source_zone.name == "UTC"


def test_the_earliest_instant() -> None:
    """Midnight in the institution's zone."""
    assert Settings.read({}).earliest_instant == datetime(2020, 1, 1, 4, tzinfo=timezone.utc)


def test_the_client_is_required_only_by_xroad() -> None:
    """And only when it is needed: the DAGs are seen in a fresh installation, before anything is set."""
    with pytest.raises(SettingsError, match="AIRFLOW__TABLERO__XROAD_CLIENT"):
        Settings.read({}).require_client()
    Settings.read({"xroad_client": "DO/GOB/INST/SOLICITUDES"}).require_client()
    direct = Settings.read({"api_path": "/api/load"})
    direct.require_client()
    assert not direct.over_xroad
    assert Settings.read({}).over_xroad
