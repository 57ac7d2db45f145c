"""The settings: section ``[tablero]`` of Airflow's configuration, or ``AIRFLOW__TABLERO__<KEY>`` in the environment.

Built from a plain mapping, which ``airflow.configuration`` supplies, so this module does not need Airflow. Descriptions of the
keys and error messages are in ``texts.settings``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timezone
from typing import Annotated, Any, Literal

import pendulum
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from tablero.errors import SettingsError
from tablero.texts import settings as texts
from tablero.texts.text import Text, joined, verbatim

#: Keys of older versions, and what to use instead.
GONE = {"heal_days": texts.HEAL_DAYS}


#: Airflow's suffixes for a value that comes from a command or a secrets backend. It resolves them only for options that are
#: secrets, which are in connections here, and ignores them for all others.
_INDIRECT = ("_cmd", "_secret")

#: The contract forbids requests from before this day, so nothing earlier is ever to be read.
_FIRST_DAY = date(2020, 1, 1)

_STATUS = re.compile(r"[1-9][0-9]{0,8}")
_ADDRESS = re.compile(r"[^@\s;<>]+@[^@\s;<>]+")


class NotAllowed(ValueError):
    """Raised by a validator.

    :ivar allowed: what the value must be.
    """

    def __init__(self, allowed: Text) -> None:
        super().__init__(str(allowed))
        self.allowed = allowed


def _zone(value: object) -> pendulum.Timezone:
    if isinstance(value, pendulum.Timezone):
        return value
    name = str(value)
    # The first has leap seconds, which no server counts; the second is another zone on each machine.
    if name.startswith("right/") or name == "localtime":
        raise NotAllowed(texts.NOT_A_ZONE)
    try:
        return pendulum.timezone(name)
    except Exception as error:
        raise NotAllowed(texts.NOT_A_ZONE) from error


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 a civil day has no zone
        except ValueError:
            raise NotAllowed(texts.NOT_A_DATE) from None
    return value


def _time_of_day(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%H:%M").time()  # noqa: DTZ007 a wall-clock time has no zone
        except ValueError:
            raise NotAllowed(texts.NOT_A_TIME) from None
    return value


def _hours(value: object) -> object:
    if isinstance(value, str):
        opens, dash, closes = value.partition("-")
        if not dash:
            raise NotAllowed(texts.NOT_HOURS)
        return _time_of_day(opens), _time_of_day(closes)
    return value


def _open_at_all(value: tuple[time, time] | None) -> tuple[time, time] | None:
    if value is not None and value[0] == value[1]:
        raise NotAllowed(texts.NEVER_OPEN)
    return value


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _addresses(value: object) -> object:
    if isinstance(value, str):
        parts = _parts(value)
        if not all(_ADDRESS.fullmatch(part) for part in parts):
            raise NotAllowed(texts.NOT_ADDRESSES)
        return parts
    return value


def _connection_id(value: str | None) -> str | None:
    # An address may contain a secret, and an id is written to logs.
    if value is not None and ("://" in value or not value.isprintable() or " " in value):
        raise NotAllowed(texts.NOT_A_CONNECTION)
    return value


def _statuses(value: object) -> object:
    if isinstance(value, str):
        parts = _parts(value)
        if not all(_STATUS.fullmatch(part) for part in parts):
            raise NotAllowed(texts.NOT_STATUSES)
        return tuple(int(part) for part in parts)
    return value


def _absolute_path(value: str) -> str:
    if not value.startswith("/") or "//" in value or any(char in value for char in "?# ") or not value.isprintable():
        raise NotAllowed(texts.NOT_A_PATH)
    if value.rstrip("/").endswith("/services-data/requests"):
        raise NotAllowed(texts.OLD_PATH)
    return value


def _client_id(value: str) -> str:
    value = value.strip()
    if len([part for part in value.split("/") if part]) != 4 or value.count("/") != 3:
        raise NotAllowed(texts.NOT_A_SUBSYSTEM)
    return value


Zone = Annotated[pendulum.Timezone, BeforeValidator(_zone)]
ConnectionId = Annotated[str | None, AfterValidator(_connection_id)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Hours = Annotated[tuple[TimeOfDay, TimeOfDay] | None, BeforeValidator(_hours), AfterValidator(_open_at_all)]


def _key(default: Any, meaning: Text, **limits: Any) -> Any:
    return Field(default, description=str(meaning), **limits)


class Settings(BaseModel):
    """All settings, validated and frozen. Durations are in seconds; days and times of day are in ``timezone``."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    api_path: Annotated[str, AfterValidator(_absolute_path)] = _key(
        "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load", texts.API_PATH
    )
    xroad_client: Annotated[str, AfterValidator(_client_id)] | None = _key(None, texts.XROAD_CLIENT)
    source_table: str = _key("tablero_status_changes", texts.SOURCE_TABLE, min_length=1)
    source_sql: str | None = _key(None, texts.SOURCE_SQL)
    timezone: Zone = _key(pendulum.timezone("America/Santo_Domingo"), texts.TIMEZONE)
    source_timezone: Zone | None = _key(None, texts.SOURCE_TIMEZONE)
    earliest: Annotated[date, BeforeValidator(_date)] = _key(_FIRST_DAY, texts.EARLIEST, ge=_FIRST_DAY)
    extra_statuses: Annotated[tuple[int, ...], BeforeValidator(_statuses)] = _key((), texts.EXTRA_STATUSES)
    batch_size: int = _key(1000, texts.BATCH_SIZE, ge=1, le=1000)
    group_by_service: bool = _key(False, texts.GROUP_BY_SERVICE)
    concurrency: int = _key(4, texts.CONCURRENCY, ge=1, le=64)
    parallel_months: int = _key(2, texts.PARALLEL_MONTHS, ge=1, le=64)
    daily_at: TimeOfDay = _key(time(2, 0), texts.DAILY_AT)
    deadline: TimeOfDay = _key(time(6, 0), texts.DEADLINE)
    lookback_days: int = _key(3, texts.LOOKBACK_DAYS, ge=0, le=366)
    audit_months: int = _key(3, texts.AUDIT_MONTHS, ge=0, le=120)
    send_hours: Hours = _key(None, texts.SEND_HOURS)
    retries: int = _key(10, texts.RETRIES, ge=0, le=100)
    retry_delay: float = _key(60, texts.RETRY_DELAY, gt=0, le=86_400)
    max_retry_delay: float = _key(1800, texts.MAX_RETRY_DELAY, gt=0, le=86_400)
    connect_timeout: float = _key(10, texts.CONNECT_TIMEOUT, gt=0, le=600)
    read_timeout: float = _key(120, texts.READ_TIMEOUT, gt=0, le=3600)
    alert_emails: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = _key((), texts.ALERT_EMAILS)
    alert_webhook_conn_id: ConnectionId = _key(None, texts.ALERT_WEBHOOK_CONN_ID)
    alert_after_failures: int = _key(1, texts.ALERT_AFTER_FAILURES, ge=1, le=100)
    alert_rejected_percent: float = _key(5, texts.ALERT_REJECTED_PERCENT, ge=0, le=100)
    alert_low_volume_percent: float = _key(20, texts.ALERT_LOW_VOLUME_PERCENT, ge=0, le=100)
    digest: Literal["daily", "weekly", "monthly"] | None = _key(None, texts.DIGEST)
    heartbeat_conn_id: ConnectionId = _key(None, texts.HEARTBEAT_CONN_ID)

    @property
    def source_zone(self) -> pendulum.Timezone:
        """The time zone of naive timestamps of the source."""
        return self.source_timezone or self.timezone

    @property
    def earliest_instant(self) -> datetime:
        """First instant, in UTC, of the day ``earliest`` in the institution's time zone."""
        return datetime.combine(self.earliest, time(), self.timezone).astimezone(timezone.utc)

    @property
    def over_xroad(self) -> bool:
        """Whether calls go through an X-Road security server."""
        return self.api_path.startswith("/r1/")

    def require_client(self) -> None:
        """Check that ``xroad_client`` is set if X-Road is used.

        Not a validator, since the DAGs must be visible in a fresh installation before anything is set.

        :raises SettingsError: if ``xroad_client`` is missing.
        """
        if self.over_xroad and self.xroad_client is None:
            raise SettingsError(texts.NO_CLIENT)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Settings:
        """Build the settings from strings by key; missing or blank keys take their default.

        :raises SettingsError: names each wrong key, its value and what is allowed.
        """
        # Blanks around a value, such as the line ends of Windows in a file of variables, mean nothing.
        stripped = {key: value.strip() if isinstance(value, str) else value for key, value in values.items()}
        given = {key: value for key, value in stripped.items() if value != ""}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(joined([_complaint(given, problem) for problem in error.errors()], "\n")) from None
        contradictions = list(_contradictions(settings))
        if contradictions:
            raise SettingsError(joined(contradictions, "\n"))
        return settings


def is_indirect(key: str) -> bool:
    """Whether a key would name where the value of a setting comes from, such as ``alert_emails_cmd``."""
    return _plain(key) != key


def _plain(key: str) -> str:
    """The setting that an indirect key stands for; any other key unchanged."""
    plain = next((key.removesuffix(suffix) for suffix in _INDIRECT if key.endswith(suffix)), key)
    return plain if plain in Settings.model_fields else key


def written(value: Any) -> str:
    """The value of a setting as one would write it in the configuration; empty if it has none."""
    if value is None:
        return ""
    if isinstance(value, pendulum.Timezone):
        return str(value.name)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, tuple):
        between = "-" if value and isinstance(value[0], time) else ","
        return between.join(map(written, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def meaning_of(key: str) -> Text:
    """The description of a key, in both languages."""
    meaning: Text = getattr(texts, key.upper())
    return meaning


def _contradictions(settings: Settings) -> Iterator[Text]:
    """Conflicts between values that are each allowed."""
    if settings.max_retry_delay < settings.retry_delay:
        yield texts.DELAYS(longest=f"{settings.max_retry_delay:g}", first=f"{settings.retry_delay:g}")
    hours = settings.send_hours
    named = {"daily_at": f"{settings.daily_at:%H:%M}", "send_hours": f"{hours[0]:%H:%M}-{hours[1]:%H:%M}" if hours else "-"}
    begins = _begins(settings.daily_at, hours)
    if begins is None:
        yield texts.OPENS_TOO_LATE(**named)
    elif settings.deadline <= begins:
        yield texts.DEADLINE_TOO_EARLY(deadline=f"{settings.deadline:%H:%M}", begins=f"{begins:%H:%M}", **named)


def _begins(daily_at: time, send_hours: tuple[time, time] | None) -> time | None:
    """When a night's sending can begin; ``None`` if not before midnight."""
    if send_hours is None:
        return daily_at
    opens, closes = send_hours
    is_open = opens <= daily_at < closes if opens < closes else daily_at >= opens or daily_at < closes
    if is_open:
        return daily_at
    return opens if opens > daily_at else None


def _complaint(given: Mapping[str, Any], problem: Any) -> Text:
    key = str(problem["loc"][0])
    variable = f"AIRFLOW__TABLERO__{key.upper()}"
    if key in GONE:
        return texts.GONE(key=key, variable=variable, instead=GONE[key])
    if is_indirect(key):
        return texts.INDIRECT(key=key, variable=variable, plain=f"AIRFLOW__TABLERO__{_plain(key).upper()}")
    if problem["type"] == "extra_forbidden":
        return texts.UNKNOWN(key=key, variable=variable, known=", ".join(Settings.model_fields))
    value = given.get(key)
    shown = "'…'" if "://" in str(value) else repr(value)
    return texts.WRONG(key=key, value=shown, variable=variable, allowed=_allowed(problem), meaning=meaning_of(key))


#: What is allowed, by type of pydantic's error.
_ALLOWED = {
    "int_parsing": texts.NOT_WHOLE,
    "int_from_float": texts.NOT_WHOLE,
    "float_parsing": texts.NOT_A_NUMBER,
    "bool_parsing": texts.NOT_A_BOOLEAN,
    "literal_error": texts.NOT_A_DIGEST,
    "greater_than_equal": texts.AT_LEAST,
    "greater_than": texts.MORE_THAN,
    "less_than_equal": texts.AT_MOST,
}


def _allowed(problem: Any) -> Text:
    details = problem.get("ctx") or {}
    if isinstance(details.get("error"), NotAllowed):
        allowed: Text = details["error"].allowed
        return allowed
    text = _ALLOWED.get(problem["type"])
    if text is None:
        return texts.NOT_ACCEPTED(words=verbatim(problem["msg"]))
    limits = [details[name] for name in ("ge", "gt", "le") if name in details]
    return text(limit=limits[0] if isinstance(limits[0], str) else f"{limits[0]:g}") if limits else text
