"""Staging a window: each row once, bad rows set apart, requests kept whole; interrupted and repeated at any point."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import undated_window
from tablero.delivery.run import Run
from tablero.delivery.staging import Tally, preview, stage
from tablero.errors import ImplausibleReading
from tablero.outbox import batches, ledger
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.engine import writing
from tablero.outbox.queue import claiming, cutting, recording
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.schema import extraction, rejection

from tests.integration.fake_dashboard import DELIVERED, LOST, refused
from tests.integration.institution import Institution
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
    all_batches,
    begin,
    change,
    changes,
    check_books,
    clock,
    day,
    finish,
    month,
    rows_in,
    settings,
    staged,
    states,
)
from tests.integration.samples import stage as stage_rows

GOOD = ("1041", "R-1", "2020-01-15", 2, "2020-02-10 10:00:00")


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    return Institution(tmp_path / "institution.db")


def read(engine: Engine, institution: Institution, window: Any = FEBRUARY, **options: Any) -> Tally:
    tally = stage(engine, institution.source, settings(**options), window, Run("run", clock))
    check_books(engine)
    account = ledger.account(engine, window)
    assert account.accounted == account.read, "every row that was read is in a named state"
    return tally


def rejections(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(rejection).order_by(rejection.c.reason, rejection.c.digest)))


def test_every_kind_of_row_is_counted(outbox: Engine, institution: Institution) -> None:
    """Valid, duplicate, excluded and rejected rows add up to the rows read."""
    institution.add(changes(10))
    institution.add(changes(2))
    excluded = ("1", "old", "2019-12-31", 2, "2020-02-10")
    institution.add([excluded, ("1", "x", "2020-01-15", 99, "2020-02-10"), (None, "y", "2020-01-15", 2, "2020-02-10")])
    tally = read(outbox, institution)
    assert (tally.read, tally.valid, tally.new, tally.duplicates, tally.excluded) == (15, 10, 10, 2, 1)
    assert tally.rejected == Counter({"unknown_status": 1, "missing_service_id": 1})
    assert staged(outbox) == set(changes(10))


def test_reading_again_stages_nothing(outbox: Engine, institution: Institution) -> None:
    """A row is identified by its content, so reading again stages nothing."""
    institution.add(changes(10))
    read(outbox, institution)
    assert read(outbox, institution).new == 0
    institution.add(changes(5, first=10))
    tally = read(outbox, institution)
    assert (tally.read, tally.new, tally.known) == (15, 5, 10)


@pytest.mark.parametrize("field", ["service_id", "opening_date", "status_id", "last_modified_date"])
def test_a_corrected_row_is_a_new_row(outbox: Engine, institution: Institution, field: str) -> None:
    """A correction of any of the five values gives a new row, and an unsent old version is never sent."""
    before = change(1)
    values = {
        "service_id": "1042",
        "opening_date": before.opening_date + timedelta(days=1),
        "status_id": 3,
        "last_modified_date": before.last_modified_date + timedelta(seconds=1),
    }
    institution.add([before])
    read(outbox, institution)
    institution.remove([before])
    after = before._replace(**{field: values[field]})
    institution.add([after])
    assert read(outbox, institution).new == 1
    assert (rows_in(outbox, "withdrawn"), rows_in(outbox, "pending")) == ({before}, {after})
    account = ledger.account(outbox, FEBRUARY)
    assert (account.read, account.gone) == (1, 0)


def test_a_day_finds_what_the_month_staged(outbox: Engine, institution: Institution) -> None:
    """Days and months share one outbox: a row staged by one is known to the other."""
    institution.add([change(number, at=FEBRUARY.start + timedelta(hours=number)) for number in range(48)])
    assert read(outbox, institution, day("2020-02-02")).new == 24
    assert read(outbox, institution).new == 24
    assert read(outbox, institution, day("2020-02-01")).new == 0


def test_the_edges_of_a_window(outbox: Engine, institution: Institution) -> None:
    """The last microsecond of January belongs to January, the first instant of February to February."""
    last = ("1041", "last", "2020-01-15", 2, "2020-01-31 23:59:59.999999-04:00")
    first = ("1041", "first", "2020-01-15", 2, "2020-02-01 00:00:00-04:00")
    institution.add([first, last])
    assert read(outbox, institution, month("2020-01")).new == 1
    assert {row.request_id for row in staged(outbox)} == {"last"}
    assert read(outbox, institution).new == 1
    assert read(outbox, institution, month("2020-03")).read == 0


def test_requests_stay_whole(outbox: Engine, institution: Institution) -> None:
    """All changes of a request are in one batch, in date order, whatever the source's order; too many are chained."""
    many = [change(5, status=1 + number % 21, at=FEBRUARY.start + timedelta(hours=number)) for number in range(7)]
    institution.add(reversed([*changes(4), *many]))
    read(outbox, institution, batch_size=3)
    found = all_batches(outbox)
    chained = [row for row in found if row.after_id is not None]
    assert [row.rows for row in found] == [3, 1, 3, 3, 1]
    assert [row.after_id for row in chained] == [found[2].id, found[3].id]


def test_one_service_a_batch(outbox: Engine, institution: Institution) -> None:
    """If the setting requires it, each batch has one service; reading again without it stages nothing new."""
    institution.add(change(number, service=str(number % 3)) for number in range(9))
    read(outbox, institution, group_by_service=True)
    assert [row.rows for row in all_batches(outbox)] == [3, 3, 3]
    assert read(outbox, institution, group_by_service=False).new == 0
    assert read(outbox, institution, group_by_service=True).new == 0


def test_interrupted_and_repeated(outbox: Engine, institution: Institution) -> None:
    """An interrupted reading stays unfinished and proves nothing about the window; repeating it is safe."""
    rows = changes(30)
    institution.add(rows)
    half = begin(outbox)
    half.stage([_packed(rows[:10])])
    assert ledger.account(outbox, FEBRUARY).read is None
    assert read(outbox, institution).new == 20
    assert staged(outbox) == set(rows)


def _packed(rows: list[Any]) -> Any:
    from tablero.contract.packing import Packed

    return Packed(rows, False)


def test_staged_by_another_worker_meanwhile(outbox: Engine) -> None:
    """Two workers read the same rows before either staged them: each row is staged once, and both count their own correctly."""
    one, two = begin(outbox), begin(outbox)
    assert one.stage([_packed(changes(10))]).new == 10
    assert two.stage([_packed(changes(5)), _packed(changes(10, first=5))]).new == 5
    check_books(outbox)
    assert staged(outbox) == set(changes(15))
    assert [row.rows for row in all_batches(outbox)] == [10, 5]


def test_a_batch_that_is_committed_after_one_with_a_higher_id(postgres: Any) -> None:
    """Another reading's batch is noticed although a later one was committed before it, and so was listed already."""
    outbox = postgres.outbox()  # SQLite has a single writer, and commits in the order of the ids
    march = month("2020-03")
    with writing(outbox) as other:
        batches.make(other, batches.Origin(extraction_id=100), [changes(10)], ZONE)
        stage_rows(outbox, [change(20, at=march.start)], march)
        late = begin(outbox)
    assert late.stage([_packed(changes(10))]).new == 0
    check_books(outbox)
    outbox.dispose()


def test_put_back_by_another_worker_meanwhile(outbox: Engine) -> None:
    """Two workers find a withdrawn row in the source again: it becomes pending again, and is not staged a second time."""
    stage_rows(outbox, changes(2))
    stage_rows(outbox, [])
    one, two = begin(outbox), begin(outbox)
    assert one.stage([_packed(changes(2))]).new == 2
    assert two.stage([_packed(changes(2))]).new == 0
    check_books(outbox)
    assert states(outbox) == {"pending": 2}


def test_rows_that_a_search_moves_into_a_batch_outside_the_list(outbox: Engine) -> None:
    """A day's reading notices that a search has moved rows between batches, even if the new batch has none of that day."""
    first, second = day("2020-02-01"), day("2020-02-02")
    rows = [change(n, at=(first if n < 2 else second).start) for n in range(6)]
    stage_rows(outbox, rows)
    (taken,) = claiming.claim(outbox, [FEBRUARY], Leaseholder("w", "run", 100), limit=1, zone=ZONE)
    recording.record(outbox, [(taken, refused())], keep=[taken.batch_id])
    head, tail = cutting.cut(outbox, LeasedBatch(taken.batch_id, taken.changes), [4], worker="w", zone=ZONE)
    late = begin(outbox, second)
    assert cutting.give_back(outbox, head, tail, 2, worker="w", zone=ZONE) is not None
    assert late.stage([_packed(rows[2:])]).new == 0
    check_books(outbox)


def test_known_rows_come_in_the_order_of_packing(outbox: Engine) -> None:
    """Known rows come back in byte order, as Python sorts text, and only those of the window, in whatever batches and
    readings they are stored."""
    from tablero.contract.packing import row_order

    ids = ["a", "A", "Z", "é", "e", "10", "9", "ñ", "n", "🏛", "￿", "a b", "a-b", "á"]
    rows = [change(0, service=service)._replace(request_id=one) for one in ids for service in ("10", "9", "ñ", "n")]
    for start in range(3):
        stage_rows(outbox, rows[: len(rows) * (start + 1) // 3], size=5, by_service=start == 1)
    stage_rows(outbox, [change(1, at=FEBRUARY.end)], month("2020-03"))
    assert list(begin(outbox).record) == sorted(rows, key=row_order)


# -- rows that the source no longer has ------------------------------------------------------------------------------------


def deliver(engine: Engine, limit: int = 100) -> None:
    taken = claiming.claim(engine, [FEBRUARY], Leaseholder("w", "run", 100), limit=limit, zone=ZONE, now=NOW)
    recording.record(engine, [(one, DELIVERED) for one in taken], now=NOW)


def test_rows_of_wrong_services_are_taken_back(outbox: Engine, institution: Institution) -> None:
    """After the view is corrected, rows with the institution's own service ids are withdrawn and never posted again."""
    wrong = [change(number, service="own") for number in range(25)]
    institution.add(wrong)
    read(outbox, institution, batch_size=10)
    institution.remove(wrong)
    institution.add(changes(25))
    tally = read(outbox, institution, batch_size=10)
    assert (tally.new, tally.gone, tally.withdrawn) == (25, 25, 25)
    assert (rows_in(outbox, "withdrawn"), rows_in(outbox, "pending")) == (set(wrong), set(changes(25)))


def test_one_row_of_a_batch_is_taken_back(outbox: Engine, institution: Institution) -> None:
    """One withdrawn row leaves the others of its batch pending; if it reappears it is pending again, without duplicates."""
    institution.add(changes(10))
    read(outbox, institution)
    institution.remove([change(4)])
    assert read(outbox, institution).withdrawn == 1
    assert rows_in(outbox, "withdrawn") == {change(4)}
    institution.add([change(4)])
    assert read(outbox, institution).new == 1
    assert (states(outbox), staged(outbox)) == ({"pending": 10}, set(changes(10)))


def test_what_is_taken_back_ends_no_waiting(outbox: Engine, institution: Institution) -> None:
    """If rows at the edge of two batches of one request are withdrawn, the later batch still waits."""
    rows = [change(1, at=FEBRUARY.start + timedelta(minutes=minute)) for minute in range(8)]
    institution.add(rows)
    read(outbox, institution, batch_size=4)
    institution.remove(rows)  # all changes of the request
    institution.add([*rows[:3], *rows[5:]])
    read(outbox, institution, batch_size=4)
    assert _claimable(outbox) == [rows[:3]]


def _claimable(engine: Engine) -> list[list[Any]]:
    return [list(taken.changes) for taken in claiming.claim(engine, [FEBRUARY], Leaseholder("one", "run", 60.0), limit=5)]


def test_a_withdrawn_middle_part_ends_no_waiting(outbox: Engine) -> None:
    """If a request fills three batches and the middle one is withdrawn, the last still waits for the first."""
    rows = [change(1, at=FEBRUARY.start + timedelta(minutes=minute)) for minute in range(3)]
    stage_rows(outbox, rows, size=1)
    stage_rows(outbox, [rows[0], rows[2]], size=1)
    assert _claimable(outbox) == [rows[:1]]


def test_a_middle_part_that_is_put_back_is_waited_for_again(outbox: Engine) -> None:
    """A part that the source has again takes its old place: after the first part, and before the last."""
    rows = [change(1, at=FEBRUARY.start + timedelta(minutes=minute)) for minute in range(3)]
    stage_rows(outbox, rows, size=1)
    stage_rows(outbox, [rows[0], rows[2]], size=1)
    deliver(outbox)
    assert rows_in(outbox, "delivered") == {rows[0]}
    stage_rows(outbox, rows, size=1)
    assert _claimable(outbox) == [rows[1:2]]


def test_parts_that_are_put_back_one_by_one_keep_their_order(outbox: Engine) -> None:
    """Of a withdrawn batch the last change comes back first, then the others: they are posted in date order."""
    rows = [change(1, at=FEBRUARY.start + timedelta(minutes=minute)) for minute in range(5)]
    stage_rows(outbox, rows, size=4)
    stage_rows(outbox, rows[4:], size=4)
    stage_rows(outbox, rows[3:], size=4)
    stage_rows(outbox, rows, size=4)
    assert _claimable(outbox) == [rows[:3]]
    check_books(outbox)


def test_a_later_earliest_takes_back(outbox: Engine, institution: Institution) -> None:
    """Staged rows that a changed setting excludes are not posted."""
    institution.add([change(1)._replace(opening_date=change(1).opening_date - timedelta(days=10)), change(2)])
    read(outbox, institution)
    tally = read(outbox, institution, earliest="2020-01-10")
    assert (tally.excluded, tally.withdrawn) == (1, 1)
    assert rows_in(outbox, "pending") == {change(2)}


def test_what_may_have_been_sent_stays(outbox: Engine, institution: Institution) -> None:
    """Rows leased, in flight, or posted with an unknown outcome are not withdrawn, but counted as gone."""
    institution.add(changes(3))
    read(outbox, institution, batch_size=1)
    doubtful, under_way = claiming.claim(outbox, [FEBRUARY], Leaseholder("w", "run", 100), limit=2, zone=ZONE, now=NOW)
    recording.record(outbox, [(doubtful, LOST)], now=NOW)
    institution.remove(changes(3))
    assert read(outbox, institution).withdrawn == 1
    assert rows_in(outbox, "pending") == {*doubtful.changes, *under_way.changes}
    assert ledger.account(outbox, FEBRUARY).gone == 2


def test_a_reading_that_is_not_plausible_stops(outbox: Engine, institution: Institution) -> None:
    """With a wrong zone every delivered row seems gone and shifted by four hours: nothing is staged until a person confirms."""
    rows = [change(number, at=FEBRUARY.start + timedelta(hours=number)) for number in range(100)]
    institution.add(rows)
    read(outbox, institution)
    deliver(outbox)
    institution.remove(rows)
    shifted = [row._replace(last_modified_date=row.last_modified_date + timedelta(hours=4)) for row in rows]
    institution.add(shifted)
    with pytest.raises(ImplausibleReading, match="of 100 delivered rows, 100 are no longer in the source, and 100 are new"):
        read(outbox, institution)
    with pytest.raises(ImplausibleReading):
        preview(outbox, institution.source, settings(), FEBRUARY, Run("run", clock))
    assert staged(outbox) == set(rows)
    tally = stage(outbox, institution.source, settings(), FEBRUARY, Run("run", clock, accept_changes=True))
    assert (tally.new, tally.gone, tally.withdrawn) == (100, 100, 0)
    assert read(outbox, institution).new == 0


def test_corrections_of_a_day_are_plausible(outbox: Engine, institution: Institution) -> None:
    """Corrections of a tenth of the delivered rows are plausible, and are found although the count is the same."""
    institution.add(changes(100))
    read(outbox, institution)
    deliver(outbox)
    institution.remove(changes(10))
    institution.add([change(number, status=7) for number in range(10)])
    tally = read(outbox, institution)
    assert (tally.read, tally.new, tally.gone, tally.withdrawn) == (100, 10, 10, 0)


def test_a_preview_knows_what_is_on_record(outbox: Engine, institution: Institution) -> None:
    """On a loaded outbox a preview shows what is new, what is gone, and samples of rows that would be rejected."""
    institution.add(changes(20))
    read(outbox, institution)
    deliver(outbox)
    institution.remove([change(3)])
    institution.add([*changes(2, first=20), (*GOOD[:3], 99, GOOD[4])])
    tally = preview(outbox, institution.source, settings(), FEBRUARY, Run("run", clock))
    assert (tally.read, tally.new, tally.gone, tally.known) == (22, 2, 1, 19)
    assert [one.reason for one in tally.samples] == ["unknown_status"]
    assert states(outbox) == {"delivered": 20}


def test_rows_that_have_no_date(outbox: Engine, institution: Institution) -> None:
    """The undated window has only rejected and excluded rows; corrected ones are resolved there."""
    institution.add([("1041", "R-1", "2020-01-15", 2, None), ("1041", "R-2", "2020-01-15", 2, "15/02/2020 09:00")])
    window = undated_window(settings().earliest, ZONE)
    tally = read(outbox, institution, window)
    assert (tally.read, tally.rejected.total(), tally.batches) == (2, 2, 0)
    institution.remove([change(0)._replace(request_id="R-1")])
    institution.add([GOOD])
    read(outbox, institution)
    assert [row.resolved for row in rejections(outbox)] == [False, False]
    assert read(outbox, institution, window).rejected.total() == 1
    assert sorted(row.resolved for row in rejections(outbox)) == [False, True]


# -- rejected rows ---------------------------------------------------------------------------------------------------------


def test_a_rejected_row_is_kept_as_it_came(outbox: Engine, institution: Institution) -> None:
    """A rejected row is stored with each value as readable text of limited length, and with its position in time."""
    institution.add([("1041", "x\x00\n" + "9" * 400, "2020-01-15", 2, "2020-02-10 10:00:00")])
    read(outbox, institution)
    (kept,) = rejections(outbox)
    assert (kept.reason, kept.service_id, kept.status_id) == ("too_long", "1041", "2")
    assert kept.request_id.startswith("x\\x00\\n999")
    assert len(kept.request_id) == 300
    assert kept.changed_at.astimezone(ZONE).isoformat() == "2020-02-10T10:00:00-04:00"
    assert not kept.resolved


def test_a_rejected_row_is_kept_once(outbox: Engine, institution: Institution) -> None:
    """A rejected row read every night is stored once; twice in one reading counts twice but is stored once."""
    institution.add([(*GOOD[:3], 99, GOOD[4])] * 2)
    assert read(outbox, institution).rejected == {"unknown_status": 2}
    read(outbox, institution, day("2020-02-10"))
    assert len(rejections(outbox)) == 1


def test_a_mended_row_is_resolved(outbox: Engine, institution: Institution) -> None:
    """A rejected row is resolved once the source no longer returns it, and is open again if it comes back."""
    bad = (*GOOD[:3], 99, GOOD[4])
    institution.add([bad])
    read(outbox, institution)
    institution.remove([change(0)._replace(request_id="R-1")])
    institution.add([GOOD])
    assert read(outbox, institution).new == 1
    assert [row.resolved for row in rejections(outbox)] == [True]
    institution.add([bad])
    read(outbox, institution)
    assert [row.resolved for row in rejections(outbox)] == [False]


def test_a_reading_of_another_window_resolves_nothing(outbox: Engine, institution: Institution) -> None:
    """A reading of March resolves nothing in February."""
    institution.add([(*GOOD[:3], 99, GOOD[4])])
    read(outbox, institution)
    read(outbox, institution, month("2020-03"))
    assert [row.resolved for row in rejections(outbox)] == [False]


def test_thousands_of_rejected_rows(outbox: Engine, institution: Institution) -> None:
    """Thousands of rejected rows are stored step by step, and none is lost between steps."""
    institution.add(("1041", f"R-{number}", "2020-01-15", 99, "2020-02-10") for number in range(2001))
    assert read(outbox, institution).rejected == {"unknown_status": 2001}
    assert len(rejections(outbox)) == 2001


# -- dry runs --------------------------------------------------------------------------------------------------------------


def test_a_rehearsal_tells_and_writes_nothing(outbox: Engine, institution: Institution) -> None:
    """A dry run reports rows, rejections, batches and bytes, and leaves the outbox empty."""
    institution.add([*changes(25), *changes(3), (*GOOD[:3], 99, GOOD[4])])
    chosen = settings(batch_size=10)
    tally = preview(None, institution.source, chosen, FEBRUARY, Run("run", clock))
    assert (tally.read, tally.new, tally.duplicates, tally.rejected.total(), tally.batches) == (29, 25, 3, 1, 3)
    from tablero.contract.wire import encode

    assert tally.bytes == sum(len(encode(changes(size, first))) for first, size in ((0, 10), (10, 10), (20, 5)))
    with outbox.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(extraction)) == 0
    real = read(outbox, institution, batch_size=10)
    assert (real.read, real.new, real.batches) == (29, 25, 3)


def test_an_empty_window(outbox: Engine, institution: Institution) -> None:
    """An empty window that was read completely is settled."""
    assert read(outbox, institution).read == 0
    assert ledger.account(outbox, FEBRUARY).read == 0


def test_finishing_needs_no_rows(outbox: Engine) -> None:
    """The latest finished reading counts, whatever older ones found."""
    stage_rows(outbox, changes(3))
    finish(begin(outbox), valid=3, new=0, duplicates=1, read=4)
    account = ledger.account(outbox, FEBRUARY)
    assert (account.read, account.duplicates, account.pending) == (4, 1, 3)
    assert account.accounted == 4
    assert NOW is not None
