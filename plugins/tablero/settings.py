"""The settings: section ``[tablero]`` of Airflow's configuration, or ``AIRFLOW__TABLERO__<KEY>`` in the environment.

Read from a plain mapping, so that they need no Airflow; ``airflow.configuration`` brings the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timezone
from typing import Annotated, Any

import pendulum
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from tablero.errors import SettingsError


def _zone(value: object) -> pendulum.Timezone:
    if isinstance(value, pendulum.Timezone):
        return value
    try:
        return pendulum.timezone(str(value))
    except Exception as error:
        raise ValueError("not the name of a time zone, such as America/Santo_Domingo") from error


def _time_of_day(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%H:%M").time()  # noqa: DTZ007 a wall-clock time has no zone
        except ValueError:
            raise ValueError("not a time of day such as 02:00") from None
    return value


def _hours(value: object) -> object:
    if isinstance(value, str):
        opens, dash, closes = value.partition("-")
        if not dash:
            raise ValueError("not two times of day such as 20:00-06:00")
        return _time_of_day(opens), _time_of_day(closes)
    return value


def _open_at_all(value: tuple[time, time] | None) -> tuple[time, time] | None:
    if value is not None and value[0] == value[1]:
        raise ValueError("opens and closes at the same time, so it would never open; leave it out to send at any hour")
    return value


def _list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _absolute_path(value: str) -> str:
    if not value.startswith("/") or "//" in value or any(char in value for char in "?# "):
        raise ValueError("not an absolute path without blanks, '//', '?' or '#'")
    if value.rstrip("/").endswith("/services-data/requests"):
        raise ValueError("the deprecated path; the dashboard's own path is /api/load")
    return value


def _client_id(value: str) -> str:
    value = value.strip()
    if len([part for part in value.split("/") if part]) != 4 or value.count("/") != 3:
        raise ValueError("not an X-Road subsystem DO/GOB/<member>/<subsystem>")
    return value


class Settings(BaseModel):
    """All settings, checked and frozen. Durations are seconds; days and times of day are in ``timezone``."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    api_path: Annotated[str, AfterValidator(_absolute_path)] = Field(
        "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load",
        description="path of the dashboard on the security server; production ends in INTEGRACION/api/load",
    )
    xroad_client: Annotated[str, AfterValidator(_client_id)] | None = Field(
        None, description="own subsystem, DO/GOB/<member>/<subsystem>; required when api_path begins with /r1/"
    )
    source_table: str = Field("tablero_status_changes", min_length=1, description="view with the five columns")
    source_sql: str | None = Field(None, description="path of a .sql file which replaces the view; it binds :start and :end")
    timezone: Annotated[pendulum.Timezone, BeforeValidator(_zone)] = Field(
        pendulum.timezone("America/Santo_Domingo"), description="the institution's zone: its days and months"
    )
    source_timezone: Annotated[pendulum.Timezone, BeforeValidator(_zone)] | None = Field(
        None, description="zone of the source's timestamps without offset; default: timezone"
    )
    earliest: date = Field(date(2020, 1, 1), description="requests opened before this day are excluded")
    batch_size: int = Field(1000, ge=1, le=1000, description="most status changes in a call")
    group_by_service: bool = Field(False, description="one service only in a call")
    concurrency: int = Field(4, ge=1, le=64, description="batches in flight in a task")
    parallel_months: int = Field(2, ge=1, le=64, description="months of historical_load at the same time")
    daily_at: Annotated[time, BeforeValidator(_time_of_day)] = Field(
        time(2, 0), description="when daily_send starts, local time"
    )
    lookback_days: int = Field(3, ge=0, le=366, description="days which a scheduled daily_send reads again")
    heal_days: int = Field(31, ge=0, le=366, description="how far back it looks for days left undone")
    send_hours: Annotated[
        tuple[
            Annotated[time, BeforeValidator(_time_of_day)],
            Annotated[time, BeforeValidator(_time_of_day)],
        ]
        | None,
        BeforeValidator(_hours),
        AfterValidator(_open_at_all),
    ] = Field(None, description="only send between these local times, for example 20:00-06:00")
    retries: int = Field(10, ge=0, le=100, description="tries after the first, for each task")
    retry_delay: float = Field(60, gt=0, le=86_400, description="seconds before the first retry; doubles each time")
    max_retry_delay: float = Field(1800, gt=0, le=86_400, description="longest seconds between two tries")
    connect_timeout: float = Field(10, gt=0, le=600, description="seconds to reach the security server")
    read_timeout: float = Field(120, gt=0, le=3600, description="seconds to wait for an answer; X-Road needs over 60")
    alert_emails: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (), description="addresses that hear of failure and recovery, separated by commas"
    )
    alert_webhook_conn_id: str | None = Field(None, description="HTTP connection that hears of them")
    alert_after_failures: int = Field(1, ge=1, le=100, description="failed daily runs in a row before an alert")

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        if self.max_retry_delay < self.retry_delay:
            raise ValueError("max_retry_delay must not be less than retry_delay")
        return self

    @property
    def source_zone(self) -> pendulum.Timezone:
        """The zone in which naive timestamps of the source are read."""
        return self.source_timezone or self.timezone

    @property
    def earliest_instant(self) -> datetime:
        """First instant, in UTC, of the day ``earliest`` in the institution's zone."""
        return datetime.combine(self.earliest, time(), self.timezone).astimezone(timezone.utc)

    @property
    def over_xroad(self) -> bool:
        """Whether calls go through an X-Road security server."""
        return self.api_path.startswith("/r1/")

    def require_client(self) -> None:
        """Check that the own subsystem is known where X-Road asks for it.

        Not a rule of the model: the DAGs must be seen in the UI of a fresh installation, before anything is set.

        :raises SettingsError: if ``xroad_client`` is missing.
        """
        if self.over_xroad and self.xroad_client is None:
            raise SettingsError(
                "[tablero] xroad_client is not set, and api_path goes through X-Road (/r1/...). "
                "Set AIRFLOW__TABLERO__XROAD_CLIENT to your own subsystem, DO/GOB/<member>/<subsystem>."
            )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Settings:
        """Build the settings from texts by key; keys left out, or blank, take their default.

        :raises SettingsError: names each wrong key, its value and what is allowed.
        """
        given = {key: value for key, value in values.items() if not (isinstance(value, str) and value.strip() == "")}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(_complaint(given, problem) for problem in error.errors())) from None


def _complaint(given: Mapping[str, Any], problem: Any) -> str:
    if not problem["loc"]:
        return f"[tablero] {problem['msg'].removeprefix('Value error, ')}."
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        return f"[tablero] {key} is no setting (AIRFLOW__TABLERO__{key.upper()}). Known: {known}."
    return (
        f"[tablero] {key} = {given.get(key)!r} is wrong (AIRFLOW__TABLERO__{key.upper()}): "
        f"{problem['msg'].removeprefix('Value error, ')}. It means: {Settings.model_fields[key].description}."
    )
