"""Preflight against fakes: every check runs, none has side effects, and each failure says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.preflight import SAMPLE, Finding, Level, inspect
from tablero.errors import OutboxUnavailable, SetupError, SourceUnavailable, TableroError, WindowUnreadable
from tablero.settings import Settings
from tablero.source.view import Census
from tablero.texts.dashboard import PLAIN_HTTP
from tablero.texts.text import Text, verbatim

UTC = timezone.utc
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
OVER_XROAD = Settings.read({"xroad_client": "DO/GOB/INST/SOLICITUDES"})
DIRECT = Settings.read({"api_path": "/api/load"})
GOOD_ROW = ("1041", "R-1", "2021-03-01", 2, "2021-03-02")
BAD_ROW = ("1041", "R-1", "2021-03-01", 99, "2021-03-02")

#: listClients and allowedMethods as a security server answers.
OURS = {
    "member": [{"id": {"xroad_instance": "DO", "member_class": "GOB", "member_code": "INST", "subsystem_code": "SOLICITUDES"}}]
}


def right(*endpoints: dict[str, str], service: str = "INTEGRACION-DEV") -> dict[str, Any]:
    return {"service": [{"service_code": service, "endpoint_list": list(endpoints)}]}


class FakeSource:
    """A source with predefined answers; an error among them is raised."""

    def __init__(self, **answers: Any) -> None:
        defaults = {"check": ["service_id"], "clock": NOW, "sample": [GOOD_ROW], "census": Census(10, 0, 2, 0)}
        self._answers: dict[str, Any] = defaults | answers

    def __getattr__(self, name: str) -> Any:
        def answer(*_: Any, within: float = 0) -> Any:
            found = self._answers[name]
            if isinstance(found, TableroError):
                raise found
            return found

        return answer


class FakeDashboard:
    """A security server that answers GET requests by path, and supports nothing else."""

    url = "https://ss/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
    warnings: ClassVar[list[Text]] = []

    def __init__(self, answers: dict[str, Any] | None = None, *, date: datetime | None = NOW) -> None:
        self._answers = {"/": {}, "/listClients": OURS, "/r1/DO/GOB/CNC/MONITOREO/allowedMethods": right()} | (answers or {})
        self._date = date
        self.requested: list[str] = []

    def get(self, path: str) -> Any:
        self.requested.append(path)
        found = self._answers[path]
        if isinstance(found, Answer):
            return SimpleNamespace(answer=found, body=None, date=None)
        return SimpleNamespace(answer=Answer(Outcome.DELIVERED, status=200, message="m"), body=found, date=self._date)


@contextmanager
def open_source() -> Iterator[Any]:
    yield FakeSource()


def found(settings: Settings = OVER_XROAD, *, source: Any = None, dashboard: Any = None) -> dict[str, Finding]:
    """The results of the checks of source and dashboard, by name."""

    @contextmanager
    def open_source() -> Iterator[Any]:
        if isinstance(source, TableroError):
            raise source
        yield source or FakeSource()

    def make_dashboard() -> Any:
        if isinstance(dashboard, TableroError):
            raise dashboard
        return dashboard or FakeDashboard()

    findings = list(inspect(settings, source=open_source, outbox=None, dashboard=make_dashboard, clock=lambda: NOW))
    return {one.check: one for one in findings}


def test_all_is_well() -> None:
    """Every check runs and passes."""
    findings = found()
    assert {one.level for one in findings.values()} == {Level.OK}
    assert list(findings) == [
        *("source", "source clock", "source sample", "source coverage"),
        *("dashboard", "dashboard clock", "X-Road client", "X-Road access"),
    ]


def test_only_metadata_is_asked_for() -> None:
    """Preflight has no side effects on the other side: it sends two GET requests."""
    dashboard = FakeDashboard()
    found(dashboard=dashboard)
    assert dashboard.requested == ["/listClients", "/r1/DO/GOB/CNC/MONITOREO/allowedMethods"]


def test_a_dashboard_without_xroad() -> None:
    """Without X-Road none of its checks runs."""
    dashboard = FakeDashboard()
    assert {"dashboard", "dashboard clock"} == {name for name in found(DIRECT, dashboard=dashboard) if "source" not in name}
    assert dashboard.requested == ["/"]


def test_a_dry_run_looks_at_the_source_alone() -> None:
    """A dry run checks only the source: it creates no outbox and needs no dashboard."""
    findings = inspect(OVER_XROAD, source=open_source, outbox=None, dashboard=None, clock=lambda: NOW)
    assert {finding.check.split()[0] for finding in findings} == {"source"}


def test_it_does_not_stop_at_the_first() -> None:
    """With source, outbox and dashboard all down there are three findings, each with a remedy and whether a retry may help."""

    def broken(error: TableroError) -> Any:
        def opener() -> Any:
            raise error

        return opener

    findings = list(
        inspect(
            OVER_XROAD,
            source=broken(SourceUnavailable("the source is down")),
            outbox=broken(OutboxUnavailable("the outbox is locked")),
            dashboard=broken(SetupError("there is no connection tablero_api")),
            clock=lambda: NOW,
        )
    )
    assert [(one.check, str(one.text), one.transient) for one in findings] == [
        ("source", "the source is down", True),
        ("outbox", "the outbox is locked", True),
        ("dashboard", "there is no connection tablero_api", False),
    ]
    assert str(findings[0]) == "[failed] source: the source is down"


@pytest.mark.parametrize(
    ("check", "error", "level"),
    [
        ("sample", WindowUnreadable("cut off"), Level.WARNING),  # a load reads month by month
        ("sample", SetupError("cut off"), Level.FAILED),
        ("sample", SourceUnavailable("cut off"), Level.FAILED),
        ("clock", SetupError("cut off"), Level.WARNING),
        ("census", WindowUnreadable("cut off"), Level.WARNING),
        ("census", SourceUnavailable("cut off"), Level.WARNING),
        ("census", SetupError("cut off"), Level.FAILED),  # a load reads undated rows by the same condition
    ],
)
def test_one_check_of_the_source_fails(check: str, error: TableroError, level: Level) -> None:
    """If one check of the source fails, the others still run; what a load does not need is only a warning."""
    findings = found(source=FakeSource(**{check: error}))
    (bad,) = [one for one in findings.values() if one.level is not Level.OK]
    assert bad.level is level
    assert "cut off" in str(bad.text)
    assert {"source clock", "source sample", "source coverage"} <= set(findings)


@pytest.mark.parametrize(
    ("theirs", "level"),
    [
        (NOW + timedelta(seconds=120), Level.OK),
        (NOW - timedelta(seconds=121), Level.WARNING),
        (NOW.replace(tzinfo=None) - timedelta(hours=4), Level.OK),  # local time, in a zone that only it knows
        (NOW.replace(tzinfo=None) + timedelta(hours=5, minutes=45), Level.OK),
        (NOW.replace(tzinfo=None) - timedelta(hours=4, minutes=5), Level.WARNING),
        (NOW - timedelta(hours=1), Level.WARNING),
    ],
)
def test_the_clocks(theirs: datetime, level: Level) -> None:
    """Clocks may differ by two minutes, and by a zone if none is given; more is a warning that suggests NTP."""
    finding = found(source=FakeSource(clock=theirs))["source clock"]
    assert finding.level is level
    assert (level is Level.OK) == ("NTP" not in str(finding.text))


def test_a_database_without_a_clock() -> None:
    """The clock of an SQLite file is this machine's."""
    assert "source clock" not in found(source=FakeSource(clock=None))


@pytest.mark.parametrize(
    ("rows", "level", "words"),
    [
        ([], Level.WARNING, "the view is empty"),
        ([GOOD_ROW] * 3, Level.OK, "3 filas de muestra, todas válidas"),
        ([GOOD_ROW, BAD_ROW], Level.WARNING, "1 of 2 sample rows would be rejected; correct the view: unknown_status 1"),
        ([BAD_ROW] * 3, Level.FAILED, "3 of 3 sample rows would be rejected"),
        ([BAD_ROW] * SAMPLE, Level.WARNING, "1,000 of 1,000 sample rows would be rejected"),
    ],
)
def test_the_sample(rows: list[Any], level: Level, words: str) -> None:
    """Some invalid rows are normal, perhaps the oldest ones; if all of the view is invalid, it is wrong."""
    finding = found(source=FakeSource(sample=rows))["source sample"]
    assert finding.level is level
    assert words in str(finding.text)


def test_the_sample_is_judged_as_a_load_judges_it() -> None:
    """A status that the settings allow in addition is valid in the sample too, so that it does not block the load."""
    settings = Settings.read({"api_path": "/api/load", "extra_statuses": "99"})
    assert found(settings, source=FakeSource(sample=[BAD_ROW] * 3))["source sample"].level is Level.OK


@pytest.mark.parametrize(
    ("counts", "level", "words"),
    [
        (Census(10, 0, 2, 0), Level.OK, "10 rows, each in a month; 2 from before the first one"),
        (
            Census(10, 3, 0, 1),
            Level.WARNING,
            "of 10 rows, 3 have no valid date in last_modified_date and will be rejected, and 1",
        ),
        (None, Level.WARNING, "with source_sql"),
    ],
)
def test_rows_that_no_window_sees(counts: Any, level: Level, words: str) -> None:
    """Rows that no window contains are reported."""
    finding = found(source=FakeSource(census=counts))["source coverage"]
    assert finding.level is level
    assert words in str(finding.text)


@pytest.mark.parametrize(("outcome", "transient"), [(Outcome.TRANSIENT, True), (Outcome.PERMANENT, False)])
def test_a_dashboard_that_cannot_be_reached(outcome: Outcome, transient: bool) -> None:
    """A failed connection may recover, an untrusted certificate will not; neither is followed by further requests."""
    findings = found(dashboard=FakeDashboard({"/listClients": Answer(outcome, error="what to do")}))
    assert findings["dashboard"] == Finding("dashboard", Level.FAILED, verbatim("what to do"), transient)
    assert "X-Road client" not in findings


def test_a_get_that_is_not_answered() -> None:
    """If the other side is reached but answers no GET, nothing is known about POST, so a load may be tried."""
    finding = found(DIRECT, dashboard=FakeDashboard({"/": Answer(Outcome.UNKNOWN, error="it may have arrived")}))["dashboard"]
    assert finding.level is Level.WARNING
    assert "does not answer a GET" in str(finding.text)


def test_a_call_without_encryption() -> None:
    """An unencrypted connection to another machine causes one warning, also before a nightly run."""

    class Plain(FakeDashboard):
        warnings: ClassVar[list[Text]] = [PLAIN_HTTP(connection="tablero_api", host="ss.inst.gob.do")]

    finding = found(dashboard=Plain())["encryption"]
    assert finding.level is Level.WARNING
    assert "ss.inst.gob.do" in str(finding.text)
    for nightly in (False, True):
        findings = inspect(DIRECT, source=open_source, outbox=None, dashboard=Plain, clock=lambda: NOW, nightly=nightly)
        assert [one.check for one in findings].count("encryption") == 1


def test_a_client_that_cannot_be_made_is_left_to_the_task_before_a_night() -> None:
    """Pending batches and reading do not depend on the client, so its failure is left to the task."""

    def dashboard() -> Any:
        raise SetupError("no connection")

    findings = inspect(DIRECT, source=open_source, outbox=None, dashboard=dashboard, clock=lambda: NOW, nightly=True)
    assert "dashboard" not in {one.check for one in findings}


def test_before_a_night() -> None:
    """Before a nightly run only quick checks are made: neither rows nor the dashboard are read."""
    findings = inspect(OVER_XROAD, source=open_source, outbox=None, dashboard=FakeDashboard, clock=lambda: NOW, nightly=True)
    assert [finding.check for finding in findings] == ["source", "source clock"]


@pytest.mark.parametrize(
    ("body", "level", "words"),
    [
        (OURS, Level.OK, "is registered"),
        ({"member": []}, Level.FAILED, "complete its registration"),
        ({"member": [{"id": None}, {}, "x"]}, Level.FAILED, "complete its registration"),
        ({}, Level.WARNING, "does not say"),
        ([], Level.WARNING, "does not say"),
        (None, Level.WARNING, "does not say"),
    ],
)
def test_the_own_subsystem(body: Any, level: Level, words: str) -> None:
    """The own subsystem must be a client of the security server; an unreadable answer is only a warning."""
    finding = found(dashboard=FakeDashboard({"/listClients": body}))["X-Road client"]
    assert finding.level is level
    assert words in str(finding.text)


POST_LOAD = {"method": "POST", "path": "/api/load"}


@pytest.mark.parametrize(
    ("body", "level", "words"),
    [
        (right(), Level.OK, "may call INTEGRACION-DEV"),  # listed without endpoints: all of the service
        (right(POST_LOAD), Level.OK, "may call"),
        (right({"method": "*", "path": "/api/*"}), Level.OK, "may call"),
        (right({"method": "*", "path": "/**"}), Level.OK, "may call"),
        (right({"method": "GET", "path": "/api/load"}), Level.WARNING, "POST /api/load is not listed"),
        (right({"method": "POST", "path": "/other"}), Level.WARNING, "is not listed"),
        (right(POST_LOAD, service="INTEGRACION"), Level.FAILED, "no right to INTEGRACION-DEV"),
        ({"service": []}, Level.FAILED, "no right"),
        ({}, Level.WARNING, "allowedMethods"),
        (Answer(Outcome.PERMANENT, status=500, error="not registered"), Level.FAILED, "not registered"),
        (Answer(Outcome.TRANSIENT, status=500, error="not now"), Level.WARNING, "not now"),
    ],
)
def test_the_right_to_the_service(body: Any, level: Level, words: str) -> None:
    """Access to the service follows from allowedMethods; if undecidable, there is a warning."""
    finding = found(dashboard=FakeDashboard({"/r1/DO/GOB/CNC/MONITOREO/allowedMethods": body}))["X-Road access"]
    assert finding.level is level
    assert words in str(finding.text)
