"""Whatever workers do, in whatever order, and whenever they die: no row is lost, and no acknowledged one is posted again."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from tablero.contract import StatusChange
from tablero.database import connect
from tablero.outbox import ledger, queue
from tablero.outbox.queue import Claim
from tablero.packing import pack, sort_key, without

from tests.integration.conftest import empty_sqlite_outbox
from tests.integration.posters import DELIVERED, FORBIDDEN, LOST, UNAVAILABLE, refused
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
    all_batches,
    begin,
    change,
    check_books,
    finish,
    month,
    rows_in,
    staged,
    states,
)

LEASE = timedelta(seconds=60)
MARCH = month("2020-03")

#: Three requests with up to eight changes each, in two months: small enough that everything collides.
ROWS = [
    change(request, status=1 + number, at=(FEBRUARY if number < 5 else MARCH).start + timedelta(hours=number))
    for request in range(3)
    for number in range(8)
]
WINDOWS = {"February": FEBRUARY, "March": MARCH}


class Outbox(RuleBasedStateMachine):
    """Workers that stage, claim, post, die, come late and ask to send again; the model is what the dashboard has."""

    claims: Bundle[Claim] = Bundle("claims")
    refusals: Bundle[Claim] = Bundle("refusals")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "outbox.db"
        path.write_bytes(empty_sqlite_outbox())
        self._engine = connect(f"sqlite:///{path}")
        self._now = NOW
        self._source: set[StatusChange] = set()
        self._workers = 0
        self._runs = 0
        #: How often each row may have been acknowledged: once, and once more for each time that it was asked for again.
        self._allowed: Counter[StatusChange] = Counter()
        self._acknowledged: Counter[StatusChange] = Counter()

    def teardown(self) -> None:
        self._engine.dispose()
        self._folder.cleanup()

    @rule(
        rows=st.sets(st.sampled_from(ROWS)), window=st.sampled_from(sorted(WINDOWS)), size=st.integers(1, 6), dies=st.booleans()
    )
    def read(self, rows: set[StatusChange], window: str, size: int, dies: bool) -> None:
        """Rows appear in the source, and a window is read, perhaps not to its end."""
        chosen = WINDOWS[window]
        self._source |= rows
        inside = sorted((row for row in self._source if row.last_modified_date in chosen), key=sort_key(False))
        extraction = begin(self._engine, chosen)
        fresh = list(pack(without(inside, list(extraction.known(by_service=False)), sort_key(False)), size, by_service=False))
        if dies:
            fresh = fresh[: len(fresh) // 2]
        new = extraction.stage(fresh) if fresh else 0
        for packed in fresh:
            self._allowed.update(packed.changes)
        if not dies:
            finish(extraction, valid=len(inside), new=new)

    @rule(target=claims, limit=st.integers(1, 4), window=st.sampled_from(sorted(WINDOWS)), largest=st.booleans())
    def claim(self, limit: int, window: str, largest: bool) -> object:
        """A new worker takes batches; nothing that it gets was acknowledged as often as it may be."""
        self._workers += 1
        taken = queue.claim(
            self._engine,
            [WINDOWS[window]],
            worker=f"worker {self._workers}",
            run_id="run",
            limit=limit,
            now=self._now,
            lease=LEASE,
            largest_first=largest,
        )
        for one in taken:
            assert one.changes, "an empty call"
            for row in one.changes:
                assert self._acknowledged[row] < self._allowed[row], "an acknowledged row is posted again"
        return multiple(*taken)

    @rule(taken=consumes(claims))
    def deliver(self, taken: Claim) -> None:
        """In time or late: the dashboard has the rows, so it counts."""
        late = self._lost(taken)
        queue.record(self._engine, [(taken, DELIVERED)], self._now)
        if not late:
            self._acknowledged.update(taken.changes)

    @rule(taken=consumes(claims), answer=st.sampled_from([UNAVAILABLE, LOST, FORBIDDEN]))
    def fail(self, taken: Claim, answer: object) -> None:
        """In time or late."""
        queue.record(self._engine, [(taken, answer)], self._now)

    @rule(target=refusals, taken=consumes(claims))
    def refuse(self, taken: Claim) -> Claim:
        """The dashboard does not like the content."""
        queue.record(self._engine, [(taken, refused())], self._now)
        return taken

    @rule(taken=consumes(refusals), data=st.data())
    def take_apart(self, taken: Claim, data: st.DataObject) -> None:
        """Split where there is more than a row, else set aside; a worker that is too late touches nothing."""
        if len(taken.changes) == 1:
            queue.set_aside(self._engine, [(taken, "no")], self._now)
        else:
            cuts = data.draw(st.sets(st.integers(1, len(taken.changes) - 1), min_size=1))
            queue.split(self._engine, taken, sorted(cuts), zone=ZONE)

    @rule(taken=consumes(refusals))
    def give_up(self, taken: Claim) -> None:
        """A refusal that nobody draws a conclusion from."""
        queue.release(self._engine, [taken])

    @rule(taken=consumes(claims))
    def die(self, taken: Claim) -> None:
        """The worker ends without a word; its lease will."""

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def wait(self, seconds: int) -> None:
        """Time passes; leases end."""
        self._now += timedelta(seconds=seconds)

    @rule(window=st.sampled_from(sorted(WINDOWS)))
    def send_again(self, window: str) -> None:
        """A run that asks for what was delivered."""
        self._runs += 1
        before = self._delivered()
        queue.resend(self._engine, WINDOWS[window], run_id=f"again {self._runs}", zone=ZONE)
        for row in before - self._delivered():
            self._allowed[row] = self._acknowledged[row] + 1

    @invariant()
    def the_books_are_right(self) -> None:
        """Every batch counts its rows, in all and by day."""
        check_books(self._engine)

    @invariant()
    def no_row_is_lost(self) -> None:
        """What was staged is there, once, in one of three states; and the ledger of each window says the same."""
        rows = staged(self._engine)
        assert rows == set(self._allowed)
        counts = states(self._engine)
        assert sum(counts.values()) == len(rows)
        assert set(counts) <= {"pending", "delivered", "refused"}
        accounts = [ledger.account(self._engine, window) for window in WINDOWS.values()]
        assert sum(one.delivered for one in accounts) == counts.get("delivered", 0)
        assert sum(one.pending for one in accounts) == counts.get("pending", 0)

    @invariant()
    def delivered_means_acknowledged(self) -> None:
        """No row counts as delivered that the dashboard never took."""
        assert all(self._acknowledged[row] for row in self._delivered())

    def _delivered(self) -> set[StatusChange]:
        return rows_in(self._engine, "delivered")

    def _lost(self, taken: Claim) -> bool:
        """Whether the batch has been settled or taken apart by another worker since."""
        return next(row.state for row in all_batches(self._engine) if row.id == taken.batch_id) != "pending"


TestConservation = Outbox.TestCase
TestConservation.settings = hypothesis_settings(max_examples=12, stateful_step_count=30)
