"""An outbox whose disk is full, whose file is read-only, or whose machine loses power: nothing acknowledged is forgotten."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tablero.delivery import sending
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import DashboardUnavailable, OutboxUnavailable, SetupError
from tablero.outbox.engine import connect
from tablero.outbox.schema import batch
from tablero.outbox.upgrade import check_writable, migrate

from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import FEBRUARY, attempts, changes, check_books, clock, settings, stage, staged, states

pytestmark = pytest.mark.integration

ROWS = 60

#: How often the power is lost.
MOMENTS = 20

#: Bytes of a page of PostgreSQL.
_PAGE = 8192


def send_briefly(engine: Engine, dashboard: Dashboard, margin: float = 0.5, **values: str) -> None:
    """A pass that retains answers for seconds only, as long as its leases last.

    :param margin: by which a lease is longer than a call. A pass that stood still for that long posts nothing more.
    """
    chosen = settings(connect_timeout="0.5", read_timeout="0.5", **values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "_LEASE_MARGIN", margin)
        sending.send(engine, lambda: dashboard, chosen, [FEBRUARY], Run("run" * 80, clock))


@pytest.fixture
def outbox_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/outbox.db"


@pytest.fixture
def sqlite_outbox(outbox_url: str) -> Iterator[Engine]:
    """An outbox on a disk that :func:`full_after` can fill."""
    engine = connect(outbox_url)
    migrate(engine)
    yield engine
    engine.dispose()


@contextmanager
def full_after(engine: Engine, pages: int) -> Iterator[None]:
    """Limit the disk to this many more pages."""

    with engine.connect() as connection:
        most = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + pages
    engine.dispose()  # connections opened before the limit

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}")

    event.listen(engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(engine, "connect", limit)
        engine.dispose()


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process may exceed ``size``; as on a full disk, writing fails midway."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_disk_full_while_sending(sqlite_outbox: Engine) -> None:
    """Wherever the disk becomes full, the error is clear, and the next pass posts only what is not recorded."""
    dashboard = Dashboard()
    stage(sqlite_outbox, changes(ROWS), size=1)
    failures = 0
    for pages in range(12):
        with full_after(sqlite_outbox, pages // 4):
            failures += _says_that_it_is_full(lambda: send_briefly(sqlite_outbox, dashboard, concurrency="1"))
        check_books(sqlite_outbox)
        _nothing_acknowledged_is_forgotten(sqlite_outbox, dashboard)
        _let_leases_end(sqlite_outbox)
    assert failures >= 2
    send(sqlite_outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    assert states(sqlite_outbox) == {"delivered": ROWS}
    _nothing_acknowledged_is_forgotten(sqlite_outbox, dashboard)


def test_disk_full_while_staging(sqlite_outbox: Engine) -> None:
    """Rows staged before the disk was full stay staged; reading again adds the rest once."""
    rows = changes(2_000)
    failures = 0
    for pages in (0, 1, 2, 5, 10, 20, 40, 80):
        with full_after(sqlite_outbox, pages):
            failures += _says_that_it_is_full(lambda: stage(sqlite_outbox, rows, size=20))
        check_books(sqlite_outbox)
    assert failures >= 3
    before = staged(sqlite_outbox)
    stage(sqlite_outbox, [row for row in rows if row not in before], size=20)
    assert staged(sqlite_outbox) == set(rows)
    check_books(sqlite_outbox)


def test_writing_fails_in_the_middle_of_a_file(sqlite_outbox: Engine, tmp_path: Path) -> None:
    """A write fails that SQLite had every reason to expect to succeed."""
    dashboard = Dashboard()
    stage(sqlite_outbox, changes(ROWS), size=1)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with files_end_at(200_000), pytest.raises(OutboxUnavailable, match="Nothing acknowledged is lost"):
        send_briefly(sqlite_outbox, dashboard, margin=10.0, concurrency="2")
    assert 0 < dashboard.accepted.total() < ROWS
    _nothing_acknowledged_is_forgotten(sqlite_outbox, dashboard)
    _let_leases_end(sqlite_outbox)
    send(sqlite_outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    assert states(sqlite_outbox) == {"delivered": ROWS}
    _nothing_acknowledged_is_forgotten(sqlite_outbox, dashboard)
    check_books(sqlite_outbox)


def test_read_only_file(sqlite_outbox: Engine, tmp_path: Path) -> None:
    """With a read-only file nothing is posted, since it could not be recorded, and the error gives the reason."""
    stage(sqlite_outbox, changes(5), size=1)
    read_only = connect(f"sqlite:///file:{tmp_path}/outbox.db?mode=ro&uri=true")
    dashboard = Dashboard()
    with pytest.raises(OutboxUnavailable, match="readonly"):
        send(read_only, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    with pytest.raises(OutboxUnavailable, match="readonly"):
        stage(read_only, changes(5, first=5))
    with pytest.raises(OutboxUnavailable, match="readonly"):
        check_writable(read_only)
    read_only.dispose()
    assert dashboard.calls == []
    assert states(sqlite_outbox) == {"pending": 5}


@pytest.mark.parametrize("backend", ["postgresql"])
def test_read_only_database(outbox: Engine) -> None:
    """Nor is anything posted on PostgreSQL, whose server is set to be read-only."""
    stage(outbox, changes(5), size=1)
    dashboard = Dashboard()
    with read_only(outbox), pytest.raises(SetupError, match="read-only"):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    assert dashboard.calls == []


@contextmanager
def read_only(outbox: Engine) -> Iterator[None]:
    """All connections to its database, which other tests use afterwards."""
    writable = {"options": "-c default_transaction_read_only=off"}
    dba = sa.create_engine(outbox.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args=writable)
    with dba.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{outbox.url.database}" SET default_transaction_read_only = on')
        outbox.dispose()
        yield
        connection.exec_driver_sql(f'ALTER DATABASE "{outbox.url.database}" RESET default_transaction_read_only')


class SmallDisk:
    """A disk of a few megabytes.

    :param place: where it is mounted.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def leave(self, size: int) -> None:
        """Fill it up, leaving this many bytes."""
        self.clear()
        free = os.statvfs(self.place)
        self._ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - size)))

    def clear(self) -> None:
        """Free the space again."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """Mounted where another user can access it, since PostgreSQL never runs as root."""
    with tempfile.TemporaryDirectory(prefix="tablero-disk-") as name:
        place = Path(name)
        place.chmod(0o755)
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", name]
        try:
            mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            pytest.skip(f"no small disk can be mounted here: {error}")
        if mounted.returncode:
            pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
        try:
            yield SmallDisk(place)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


@pytest.fixture
def cramped_outbox(postgres: Any, small_disk: SmallDisk) -> Iterator[Engine]:
    """An outbox on PostgreSQL with all of its tables on the small disk."""
    tablespace = small_disk.place / "tables"
    tablespace.mkdir()
    admin = sa.create_engine(postgres.database(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        data = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
        os.chown(tablespace, data.stat().st_uid, data.stat().st_gid)
        connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{tablespace}'")
    address = postgres.database(options="TABLESPACE small")
    engine = connect(address)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
        small_disk.clear()
        postgres.drop(address)
        with admin.connect() as connection:
            connection.exec_driver_sql("DROP TABLESPACE small")
        postgres.drop(admin.url)


def test_disk_of_the_server_full_while_sending(cramped_outbox: Engine, small_disk: SmallDisk) -> None:
    """On PostgreSQL the error names the disk, no acknowledgement is forgotten, and sending resumes once there is space."""
    dashboard = Dashboard()
    stage(cramped_outbox, changes(300), size=1)
    failures = 0
    for pages in range(6):
        small_disk.leave(pages * _PAGE)
        failures += _says_that_it_is_full(lambda: send_briefly(cramped_outbox, dashboard, concurrency="1"))
        check_books(cramped_outbox)
        _nothing_acknowledged_is_forgotten(cramped_outbox, dashboard)
        small_disk.clear()
        _let_leases_end(cramped_outbox)
    assert failures >= 2
    assert 0 < dashboard.accepted.total() < 300
    send(cramped_outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    assert states(cramped_outbox) == {"delivered": 300}
    _nothing_acknowledged_is_forgotten(cramped_outbox, dashboard)


def test_disk_of_the_server_full_while_staging(cramped_outbox: Engine, small_disk: SmallDisk) -> None:
    """Rows staged before the disk was full stay staged; reading again adds the rest once."""
    rows = changes(4_000)
    failures = 0
    for pages in (0, 10, 20, 40):
        small_disk.leave(pages * _PAGE)
        failures += _says_that_it_is_full(lambda: stage(cramped_outbox, rows, size=100))
        check_books(cramped_outbox)
    assert failures >= 2
    small_disk.clear()
    before = staged(cramped_outbox)
    stage(cramped_outbox, [row for row in rows if row not in before], size=100)
    assert staged(cramped_outbox) == set(rows)
    check_books(cramped_outbox)


def test_power_loss_at_any_moment(tmp_path: Path, outbox_url: str) -> None:
    """The file and its log, as they were after any write, open again intact and contain every acknowledgement until then.

    The worker is suspended at random moments; its files are copied as they are, and once more
    with the end of the log cut off anywhere after the part that it had made durable.
    """
    engine = connect(outbox_url)
    migrate(engine)
    stage(engine, changes(4_000), size=1)
    engine.dispose()
    rng = random.Random(7)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.sender", str(tmp_path / "outbox.db")], stdout=subprocess.PIPE, env=_environment()
    )
    reported: list[tuple[int, list[int]]] = []
    listener = Thread(target=_listen, args=(worker, reported))
    listener.start()
    copies: list[tuple[Path, list[tuple[int, list[int]]]]] = []
    try:
        while worker.poll() is None and len(copies) < MOMENTS:
            time.sleep(rng.uniform(0.005, 0.08))
            os.kill(worker.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # it may be on another core until then
            known = list(reported)
            place = tmp_path / f"copy-{len(copies)}"
            for name in ("outbox.db", "outbox.db-wal"):
                if known and (tmp_path / name).exists():
                    place.mkdir(exist_ok=True)
                    shutil.copy(tmp_path / name, place)
            os.kill(worker.pid, signal.SIGCONT)
            if known:
                copies.append((place, known))
    finally:
        worker.kill()
        worker.wait()
        listener.join()
    assert len(copies) == MOMENTS
    # Only now, since checking takes longer than all that the worker has to do.
    for place, known in copies:
        _keeps_what_was_acknowledged(place, known, rng)


def _keeps_what_was_acknowledged(place: Path, known: list[tuple[int, list[int]]], rng: random.Random) -> None:
    acknowledged = {identity for _, ids in known for identity in ids}
    torn = place.with_name(place.name + "-torn")
    shutil.copytree(place, torn)
    log = torn / "outbox.db-wal"
    if log.exists():
        os.truncate(log, rng.randint(min(known[-1][0], log.stat().st_size), log.stat().st_size))
    for folder in (place, torn):
        engine = connect(f"sqlite:///{folder}/outbox.db")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            delivered = set(connection.scalars(sa.select(batch.c.id).where(batch.c.state == "delivered")))
        assert acknowledged <= delivered
        check_books(engine)
        engine.dispose()
    shutil.rmtree(torn)
    shutil.rmtree(place)


def _listen(worker: subprocess.Popen[bytes], reported: list[tuple[int, list[int]]]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        size, *ids = map(int, line.split())
        reported.append((size, ids))


def _environment() -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": f"{root / 'plugins'}{os.pathsep}{root}"}


def _says_that_it_is_full(work: Callable[[], object]) -> bool:
    """Whether the disk was full; if so, the error must have said so.

    A busy machine may have stood still for a lease: what was not posted then is left to the next pass.
    """
    try:
        work()
    except (OutboxUnavailable, DashboardUnavailable) as error:
        failure, words = error, str(error)
    else:
        return False
    if isinstance(failure, DashboardUnavailable):
        assert "Not posted" in words
        return False
    assert "disk is full" in words or "No space left on device" in words
    assert "Nothing acknowledged is lost" in words
    return True


def _nothing_acknowledged_is_forgotten(engine: Engine, dashboard: Dashboard) -> None:
    """Each row was posted as often as it has recorded attempts, and not again after a recorded acknowledgement."""
    recorded: dict[int, list[str | None]] = {}
    for row in attempts(engine):
        recorded.setdefault(row.batch_id, []).append(row.outcome)
    assert dashboard.accepted.total() <= sum(map(len, recorded.values()))
    for outcomes in recorded.values():
        assert "delivered" not in outcomes[:-1]


def _let_leases_end(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(batch).values(claimed_until=None))
