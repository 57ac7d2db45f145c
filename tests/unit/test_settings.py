"""Section ``[tablero]``: defaults, what each key accepts, and the errors for wrong values."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from typing import Any

import pytest
from pydantic import ValidationError
from tablero.errors import SettingsError
from tablero.settings import GONE, Settings, meaning_of, written

#: Key, default, a valid text, its value.
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
    ("extra_statuses", (), "22, 23,", (22, 23)),
    ("batch_size", 1000, "250", 250),
    ("group_by_service", False, "True", True),
    ("concurrency", 4, "1", 1),
    ("parallel_months", 2, "8", 8),
    ("daily_at", time(2), "04:30", time(4, 30)),
    ("deadline", time(6), "23:59", time(23, 59)),
    ("lookback_days", 3, "0", 0),
    ("audit_months", 3, "0", 0),
    ("send_hours", None, "20:00-06:00", (time(20), time(6))),
    ("retries", Settings().retries, "0", 0),
    ("retry_delay", Settings().retry_delay, "1.5", 1.5),
    ("max_retry_delay", 1800, "86400", 86400),
    ("connect_timeout", 10, "3", 3),
    ("read_timeout", 120, "600", 600),
    ("alert_emails", (), " ana@example.org, ,luis@example.org", ("ana@example.org", "luis@example.org")),
    ("alert_webhook_conn_id", None, "alerts", "alerts"),
    ("alert_after_failures", 1, "3", 3),
    ("alert_rejected_percent", 5, "0.5", 0.5),
    ("alert_low_volume_percent", 20, "0", 0),
    ("digest", None, "weekly", "weekly"),
    ("heartbeat_conn_id", None, "monitor", "monitor"),
]

#: Key, a wrong text, part of the error's text on what is allowed.
WRONG = [
    ("api_path", "api/load", "absolute path"),
    ("api_path", "/api//load", "absolute path"),
    ("api_path", "/api/load?x=1", "absolute path"),
    ("api_path", "/api /load", "absolute path"),
    ("api_path", "https://host/api/load", "absolute path"),
    ("api_path", "/api/load\n/x", "absolute path"),
    ("api_path", "/services-data/requests", "deprecated"),
    ("api_path", "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/services-data/requests/", "deprecated"),
    ("xroad_client", "DO/GOB/INST", "DO/GOB/<member>/<subsystem>"),
    ("xroad_client", "DO/GOB/INST/", "DO/GOB/<member>/<subsystem>"),
    ("xroad_client", "/DO/GOB/INST/SOL", "DO/GOB/<member>/<subsystem>"),
    ("timezone", "America/Macondo", "name of a time zone"),
    ("timezone", "-04:00", "name of a time zone"),
    ("source_timezone", "local time", "name of a time zone"),
    ("timezone", "right/America/Santo_Domingo", "name of a time zone"),
    ("timezone", "localtime", "name of a time zone"),
    ("earliest", "01/01/2020", "a date such as 2020-01-31"),
    ("earliest", "0", "a date such as 2020-01-31"),
    ("earliest", "2019-12-31", "must be 2020-01-01 or more"),
    ("batch_size", "0", "must be 1 or more"),
    ("batch_size", "1001", "must be 1000 or less"),
    ("batch_size", "many", "whole number"),
    ("group_by_service", "perhaps", "true or false"),
    ("concurrency", "0", "must be 1 or more"),
    ("concurrency", "65", "must be 64 or less"),
    ("parallel_months", "0", "must be 1 or more"),
    ("daily_at", "2 am", "time of day such as 02:00"),
    ("daily_at", "24:00", "time of day such as 02:00"),
    ("lookback_days", "-1", "must be 0 or more"),
    ("audit_months", "-1", "must be 0 or more"),
    ("deadline", "noon", "time of day such as 02:00"),
    ("extra_statuses", "22;23", "status numbers above 0, separated by commas"),
    ("extra_statuses", "-22", "status numbers above 0"),
    ("extra_statuses", "0", "status numbers above 0"),
    ("extra_statuses", "99999999999999999999", "status numbers above 0"),
    ("alert_emails", "ana@example.org; luis@example.org", "mail addresses separated by commas"),
    ("alert_emails", "ti", "mail addresses separated by commas"),
    ("alert_webhook_conn_id", "my alerts", "id of an Airflow connection"),
    ("heartbeat_conn_id", "a\nb", "id of an Airflow connection"),
    ("alert_rejected_percent", "101", "must be 100 or less"),
    ("alert_low_volume_percent", "-5", "must be 0 or more"),
    ("alert_low_volume_percent", "few", "must be a number"),
    ("digest", "yearly", "daily, weekly or monthly"),
    ("send_hours", "20:00", "two times of day such as 20:00-06:00"),
    ("send_hours", "20:00-25:00", "time of day"),
    ("send_hours", "08:00-08:00", "never open"),
    ("retries", "-1", "must be 0 or more"),
    ("retry_delay", "0", "must be more than 0"),
    ("max_retry_delay", "86401", "must be 86400 or less"),
    ("connect_timeout", "0", "must be more than 0"),
    ("read_timeout", "3601", "must be 3600 or less"),
    ("read_timeout", "nan", "must be 3600 or less"),
    ("alert_after_failures", "0", "must be 1 or more"),
]


def plain(value: Any) -> Any:
    """The value with zones replaced by their names."""
    return getattr(value, "name", value)


def test_every_key_is_tested_here() -> None:
    """Every setting is in these tables."""
    assert [key for key, *_ in KEYS] == list(Settings.model_fields)


@pytest.mark.parametrize(("key", "default", "text", "meaning"), KEYS, ids=[key for key, *_ in KEYS])
def test_a_key(key: str, default: Any, text: str, meaning: Any) -> None:
    """A key has its default, also if it is blank, and accepts a text as in the environment, and as in a file of Windows."""
    assert plain(getattr(Settings.read({}), key)) == default
    assert plain(getattr(Settings.read({key: "  "}), key)) == default
    assert plain(getattr(Settings.read({key: text}), key)) == meaning
    assert plain(getattr(Settings.read({key: f" {text}\r"}), key)) == meaning
    assert Settings.model_fields[key].description == str(meaning_of(key))


@pytest.mark.parametrize(("key", "text", "allowed"), WRONG)
def test_a_wrong_value(key: str, text: str, allowed: str) -> None:
    """The error names the key, the value, the variable, what is allowed and what the key means, in both languages."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({key: text})
    said = caught.value.text
    shown = "'…'" if "://" in text else repr(text)
    start = f"[tablero] {key} = {shown} (AIRFLOW__TABLERO__{key.upper()}): "
    assert said.es.startswith(start)
    assert said.en.startswith(start)
    assert allowed in said.en
    assert said.es.endswith(f" Significa: {meaning_of(key).es}.")
    assert said.en.endswith(f" It means: {meaning_of(key).en}.")


@pytest.mark.parametrize("key", ["alert_webhook_conn_id", "heartbeat_conn_id"])
def test_an_address_instead_of_a_connection(key: str) -> None:
    """An address in place of the id is refused, and not shown: it may contain a secret."""
    with pytest.raises(SettingsError, match="the address belongs in the connection") as caught:
        Settings.read({key: "https://example.org/hooks/S3CRET"})
    assert "S3CRET" not in str(caught.value)


def test_all_wrong_values_are_reported_at_once() -> None:
    """All wrong values are reported at once, one line each, so that they can be corrected in one deployment."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({"batch_size": "0", "timezone": "x", "bach_size": "10"})
    lines = str(caught.value).splitlines()
    assert [line.split()[1] for line in lines] == ["timezone", "batch_size", "bach_size"]
    assert all(line.count(" / [tablero] ") == 1 for line in lines)


@pytest.mark.parametrize("suffix", ["cmd", "secret"])
def test_a_value_from_a_command_or_a_secret(suffix: str) -> None:
    """A key that Airflow would ignore is refused, and the error names the variable that works."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({f"alert_emails_{suffix}": "echo guardia@inst.gob.do"})
    assert f"(AIRFLOW__TABLERO__ALERT_EMAILS_{suffix.upper()}): Airflow runs _CMD" in caught.value.text.en
    assert "Put the value into AIRFLOW__TABLERO__ALERT_EMAILS." in caught.value.text.en
    assert "guardia" not in str(caught.value)


def test_an_unknown_key() -> None:
    """An unknown key is an error that lists the known ones."""
    with pytest.raises(SettingsError, match=r"bach_size is not a setting \(AIRFLOW__TABLERO__BACH_SIZE\).*batch_size"):
        Settings.read({"bach_size": "10"})


def test_delays_must_fit_together() -> None:
    """The maximum delay must not be less than the first delay."""
    with pytest.raises(SettingsError, match="max_retry_delay = 99 must be at least retry_delay = 100"):
        Settings.read({"retry_delay": "100", "max_retry_delay": "99"})


@pytest.mark.parametrize("key", GONE)
def test_a_key_of_an_older_version(key: str) -> None:
    """A key of an older version is reported with its replacement, not as unknown."""
    with pytest.raises(SettingsError, match=rf"{key} no longer exists \(AIRFLOW__TABLERO__{key.upper()}\): .+\."):
        Settings.read({key: "31"})


#: daily_at, send_hours, deadline, whether the night can be settled in time.
NIGHTS = [
    ("02:00", "", "06:00", True),
    ("02:00", "", "02:01", True),
    ("02:00", "", "02:00", False),
    ("07:30", "", "06:00", False),
    ("07:30", "", "09:00", True),
    ("02:00", "20:00-06:00", "06:00", True),  # open at the start
    ("02:00", "03:00-05:00", "06:00", True),
    ("02:00", "07:00-18:00", "06:00", False),
    ("02:00", "07:00-18:00", "08:00", True),
    ("02:00", "20:00-22:00", "06:00", False),
    ("05:00", "20:00-05:00", "06:00", False),  # just closed
    ("05:00", "20:00-05:00", "21:00", True),
]


@pytest.mark.parametrize(("daily_at", "send_hours", "deadline", "possible"), NIGHTS)
def test_the_deadline_lies_after_the_earliest_sending(daily_at: str, send_hours: str, deadline: str, possible: bool) -> None:
    """A deadline before the end of the first sending is refused, since every night would be reported as late."""
    values = {"daily_at": daily_at, "send_hours": send_hours, "deadline": deadline}
    if possible:
        Settings.read(values)
    else:
        with pytest.raises(SettingsError, match=f"deadline = {deadline} must be later than .+daily_at = {daily_at}"):
            Settings.read(values)


def test_hours_that_open_only_on_the_next_day() -> None:
    """If sending opens only on the next day, the error is about the hours, since no deadline could be met."""
    with pytest.raises(SettingsError, match=r"send_hours = 01:00-05:00 does not open on the same day after daily_at = 23:00"):
        Settings.read({"daily_at": "23:00", "send_hours": "01:00-05:00", "deadline": "23:59"})


def test_values_are_written_as_they_are_read() -> None:
    """What ``tablero settings`` and Airflow's own list print can be put into the configuration as it is."""
    given = {
        "timezone": "America/New_York",
        "earliest": "2021-02-01",
        "extra_statuses": "22,23",
        "group_by_service": "true",
        "send_hours": "22:00-05:30",
        "daily_at": "22:15",
        "deadline": "23:00",
        "retry_delay": "2.5",
        "alert_emails": "a@example.org,b@example.org",
        "source_sql": "",
    }
    settings = Settings.read(given)
    assert {key: written(getattr(settings, key)) for key in given} == given
    assert Settings.read({key: written(getattr(settings, key)) for key in Settings.model_fields}) == settings


def test_frozen() -> None:
    """Settings are immutable."""
    with pytest.raises(ValidationError):
        Settings.read({}).batch_size = 5


def test_the_zone_of_the_source() -> None:
    """The zone of the source is the institution's unless it is set."""
    assert Settings.read({"timezone": "America/New_York"}).source_zone.name == "America/New_York"
    assert Settings.read({"timezone": "America/New_York", "source_timezone": "UTC"}).source_zone.name == "UTC"


def test_the_earliest_instant() -> None:
    """The earliest instant is midnight in the institution's zone."""
    assert Settings.read({}).earliest_instant == datetime(2020, 1, 1, 4, tzinfo=timezone.utc)


def test_the_client_is_required_only_by_xroad() -> None:
    """The client is required only when it is needed, so that the DAGs load in a fresh installation."""
    with pytest.raises(SettingsError, match="AIRFLOW__TABLERO__XROAD_CLIENT"):
        Settings.read({}).require_client()
    Settings.read({"xroad_client": "DO/GOB/INST/SOLICITUDES"}).require_client()
    direct = Settings.read({"api_path": "/api/load"})
    direct.require_client()
    assert not direct.over_xroad
    assert Settings.read({}).over_xroad
