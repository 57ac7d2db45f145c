"""A day costs the same, however much is on record for other days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.outbox import ledger
from tablero.outbox.batches import Origin, make
from tablero.outbox.engine import connect, writing
from tablero.outbox.queue import claiming, recording
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.upgrade import migrate

from tests.integration.conftest import Postgres
from tests.integration.fake_dashboard import DELIVERED
from tests.integration.institution import Institution
from tests.integration.samples import NOW, ZONE, change, clock, day, settings
from tests.waiting import wait_for

OWN = day("2026-11-20")

#: Batches of other days on record: as many as two million rows have.
MANY = 2_000


def load(engine: Engine) -> None:
    """Record many small batches of all days since 2020: the number of batches is what counts."""
    first = day("2020-01-01").start
    settled = {"state": "delivered", "settled_at": NOW, "settled_how": "acknowledged"}
    with writing(engine) as connection:
        for number in range(0, MANY, 100):
            moments = [first + timedelta(days=one) for one in range(number, number + 100)]
            make(connection, Origin(1), [[change(9, at=at), change(10, at=at)] for at in moments], ZONE, **settled)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def run(engine: Engine, institution: Institution) -> None:
    """A day's reading, its calls, and its reconciliation."""
    stage(engine, institution.source, settings(batch_size=100), OWN, Run("run", clock))
    taken = claiming.claim(engine, [OWN], Leaseholder("w", "run", 100), limit=9, zone=ZONE)
    recording.record(engine, [(one, DELIVERED) for one in taken])
    assert ledger.account(engine, OWN).delivered == 400


def pages_of(engine: Engine, work: Callable[[], None]) -> int:
    """Pages that PostgreSQL reads for some work; a session reports them when it ends."""

    def seen() -> int:
        engine.dispose()
        with engine.connect() as connection:
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            wait_for("all others have reported", lambda: connection.scalar(sa.text(others)) == 0)
        with engine.connect() as connection:
            query = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
            return int(connection.scalar(sa.text(query)) or 0)

    before = seen()
    work()
    return seen() - before


@pytest.fixture
def no_autovacuum(postgres: Postgres) -> Iterator[None]:
    """The server leaves tables alone, whose pages it would be counted as reading whenever it comes by."""
    admin = sa.create_engine(postgres.address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET autovacuum = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield
        connection.exec_driver_sql("ALTER SYSTEM RESET autovacuum")
        connection.exec_driver_sql("SELECT pg_reload_conf()")


@pytest.mark.usefixtures("no_autovacuum")
def test_a_day_of_400_rows(backend: str, new_database: Callable[..., URL], tmp_path: Path) -> None:
    """With an outbox full of other days, a day reads hardly more pages than with an empty one."""
    if backend == "sqlite":
        pytest.skip("counts no pages")
    institution = Institution(tmp_path / "institution.db")
    institution.add([change(number, at=OWN.start + timedelta(minutes=number)) for number in range(400)])
    pages = []
    for loaded in (False, True):
        engine = connect(new_database())
        migrate(engine)
        if loaded:
            load(engine)
        run(engine, institution)
        pages.append(pages_of(engine, lambda engine=engine: run(engine, institution)))  # type: ignore[misc]
        engine.dispose()
    empty, full = pages
    # The index and the table of that many batches have several hundred.
    assert full < empty + 150, pages
