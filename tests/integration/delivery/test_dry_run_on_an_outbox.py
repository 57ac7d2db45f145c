"""A dry run with an outbox reports what is new, known and gone, and stores only its result."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.delivery.dry_run import run
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import TransientError
from tablero.outbox import findings
from tablero.outbox.engine import reading
from tablero.outbox.schema import batch, extraction

from tests.integration.fake_dashboard import LOST, UNAVAILABLE, Dashboard, in_turn
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, change, changes, clock, settings


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    institution = Institution(tmp_path / "institution.db")
    institution.add(changes(40))
    return institution


def dry_run(engine: Engine | None, institution: Institution, **options: bool) -> dict[str, object]:
    this_run = Run("run", clock, **options)
    return run(engine, institution.source, settings(), FEBRUARY, this_run, dag_id="historical_load")


def load(engine: Engine, institution: Institution) -> None:
    stage(engine, institution.source, settings(), FEBRUARY, Run("load", clock))
    send(engine, Dashboard, settings(), [FEBRUARY], Run("load", clock))


def test_compared_with_what_is_on_record(outbox: Engine, institution: Institution) -> None:
    """After a load only new rows would be sent, and corrected rows are reported as corrections."""
    load(outbox, institution)
    institution.add(changes(2, first=40))
    institution.remove([change(7)])
    found = dry_run(outbox, institution)
    assert {key: found[key] for key in ("read", "new", "known", "gone", "withdrawn", "resent", "batches", "brake")} == {
        "read": 41,
        "new": 2,
        "known": 39,
        "gone": 1,
        "withdrawn": 0,  # the dashboard has it
        "resent": 0,
        "batches": 1,
        "brake": None,
    }
    assert found["nights"] == 1


def test_what_is_pending(outbox: Engine, institution: Institution) -> None:
    """Unsent rows that are gone would be withdrawn; rows sent without an answer would be sent again, gone or not; and
    each waiting batch counts as a call."""
    stage(outbox, institution.source, settings(batch_size=10), FEBRUARY, Run("load", clock))
    lose_the_first = Dashboard(in_turn(LOST, *[UNAVAILABLE] * 9))
    with pytest.raises(TransientError):
        send(outbox, lambda: lose_the_first, settings(batch_size=10, concurrency=1), [FEBRUARY], Run("load", clock))
    lost = {int(name.rpartition("-")[2]) for name in lose_the_first.calls[0]}
    institution.remove([change(min(lost)), *(change(number) for number in set(range(40)) - lost if number % 10 == 5)])
    found = dry_run(outbox, institution)
    assert (found["new"], found["withdrawn"], found["resent"]) == (0, 3, 10)
    assert found["gone"] == 4
    assert found["batches"] == 4


def test_nothing_is_staged(outbox: Engine, institution: Institution) -> None:
    """Nothing is staged: only the result is stored, that of the last try."""
    for _ in range(2):
        dry_run(outbox, institution)
    with reading(outbox) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(batch)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(extraction)) == 0
        (kept,) = findings.dry_run_of(connection, "run")
    assert (kept.label, kept.result.new) == ("2020-02", 40)


def test_samples_are_masked(outbox: Engine, institution: Institution) -> None:
    """Samples are masked; they are stored for the page, and are not part of what Airflow stores."""
    institution.add([("402-1234567-8", "JUAN PEREZ", "2020-02-01", 99, "2020-02-02 10:00:00")])
    found = dry_run(outbox, institution)
    assert "samples" not in found
    with reading(outbox) as connection:
        (kept,) = findings.dry_run_of(connection, "run")
    (sample,) = kept.result.samples
    assert sample.reason == "unknown_status"
    assert sample.values == ("402**********", "JUA*******", "2020-02-01", "99", "2020-02-02 10:00:00")


@pytest.mark.parametrize(("value", "masked"), [("7", "*"), ("R1", "R*"), ("R-12", "R-**"), ("R-1234", "R-1***")])
def test_a_short_id_is_masked_too(value: str, masked: str, outbox: Engine, institution: Institution) -> None:
    """At most half of an id stays readable."""
    institution.add([("1041", value, "2020-02-01", 99, "2020-02-02 10:00:00")])
    dry_run(outbox, institution)
    with reading(outbox) as connection:
        (kept,) = findings.dry_run_of(connection, "run")
    assert kept.result.samples[0].values[1] == masked


def test_the_brake_is_reported(outbox: Engine, institution: Institution) -> None:
    """If most rows changed service, the dry run reports that a load would stop, without failing itself."""
    load(outbox, institution)
    institution.remove(changes(40))
    institution.add([change(number, service="2082") for number in range(40)])
    assert "accept_changes" in str(dry_run(outbox, institution)["brake"])
    assert dry_run(outbox, institution, accept_changes=True)["brake"] is None


def test_without_an_outbox(institution: Institution) -> None:
    """Without an outbox all rows would be sent, and the duration is unknown."""
    found = dry_run(None, institution)
    assert (found["new"], found["seconds"], found["nights"]) == (40, None, None)
