"""Pending rows are posted only if the source still has them, however long they waited."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.nightly import FRESH, refresh_stale
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import SourceUnavailable
from tablero.source.reader import Source

from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, NOW, change, changes, check_books, clock, month, rows_in, settings, states

LATER = NOW + FRESH + timedelta(seconds=1)


@pytest.fixture
def institution(tmp_path: Path, outbox: Engine) -> Institution:
    """Ten rows of the institution are pending, one of them wrong."""
    made = Institution(tmp_path / "institution.db")
    made.add(changes(10))
    stage(outbox, made.source, settings(), FEBRUARY, Run("run", clock))
    return made


def ask(engine: Engine, institution: Institution, *, later: bool = True, window: Window = FEBRUARY) -> None:
    refresh_stale(
        engine,
        lambda: nullcontext(institution.source),
        settings(),
        [window],
        Run("run", lambda: LATER if later else NOW),
    )
    check_books(engine)


def test_a_row_that_was_corrected_before_the_retry(outbox: Engine, institution: Institution) -> None:
    """A row corrected before the retry is withdrawn and its new version is pending; the other rows of its batch stay."""
    institution.remove([change(3)])
    institution.add([change(3, status=7)])
    ask(outbox, institution)
    assert rows_in(outbox, "withdrawn") == {change(3)}
    assert rows_in(outbox, "pending") == {*changes(10)} - {change(3)} | {change(3, status=7)}


def test_not_asked_twice_within_minutes(outbox: Engine, institution: Institution) -> None:
    """The source is not queried again within minutes after the previous task."""
    institution.remove([change(3)])
    ask(outbox, institution, later=False)
    assert states(outbox) == {"pending": 10}


def test_not_asked_where_nothing_is_pending(outbox: Engine, institution: Institution) -> None:
    """A settled month costs one query of the outbox and none of the source."""

    def no_source() -> AbstractContextManager[Source]:
        raise AssertionError("nothing is pending there")

    refresh_stale(outbox, no_source, settings(), [month("2020-03")], Run("run", lambda: LATER))


def test_a_source_that_is_down_holds_up_nothing(
    outbox: Engine, institution: Institution, caplog: pytest.LogCaptureFixture
) -> None:
    """If the source is down, pending rows are posted as they are, and the log says so."""

    def down() -> AbstractContextManager[Source]:
        raise SourceUnavailable("the source is switched off")

    refresh_stale(outbox, down, settings(), [FEBRUARY], Run("run", lambda: LATER))
    assert states(outbox) == {"pending": 10}
    assert "the source is switched off" in caplog.text
