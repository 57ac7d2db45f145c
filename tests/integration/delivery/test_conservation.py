"""Whatever workers do, in any order, and whenever they die: no row is lost, and no acknowledged row is posted again.

Each seed is another random walk; a failing one can be run alone.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.merging import differences
from tablero.contract.packing import pack, row_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.outbox import ledger, requeue
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, cutting, leasing, recording, suspects
from tablero.outbox.queue.claims import Claim, Leaseholder

from tests.integration.fake_dashboard import DELIVERED, FORBIDDEN, LOST, UNAVAILABLE, refused
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
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
WINDOWS = (FEBRUARY, month("2020-03"))
STEPS = 120

#: Three requests with eight changes each, in two months: so few that everything collides.
ROWS = [
    change(request, status=1 + number, at=WINDOWS[number > 4].start + timedelta(hours=number))
    for request in range(3)
    for number in range(8)
]


class Walk:
    """Workers that read, claim, post, answer late, die and resend, beside a record of what the dashboard has."""

    def __init__(self, engine: Engine, random: Random) -> None:
        self._engine = engine
        self._random = random
        self._now = NOW
        self._source: set[StatusChange] = set()
        self._claims: list[Claim] = []
        self._refusals: list[Claim] = []
        self._names = 0
        #: Acknowledgements that each row may have: one, and one more for each resend.
        self._allowed: Counter[StatusChange] = Counter()
        self._acknowledged: Counter[StatusChange] = Counter()

    def step(self) -> None:
        """Perform a random action."""
        steps = [self._read, self._claim, self._end, self._take_apart, self._wait, self._send_again]
        (chosen,) = self._random.choices(steps, [2, 6, 6, 4, 3, 1])
        chosen()

    def check(self) -> None:
        """Check the invariants."""
        check_books(self._engine)
        assert staged(self._engine) == set(self._allowed), "a row is lost, or came from nowhere"
        counts = states(self._engine)
        assert set(counts) <= {"pending", "delivered", "refused", "withdrawn"}
        assert sum(counts.values()) == len(self._allowed)
        accounts = [ledger.account(self._engine, window) for window in WINDOWS]
        assert sum(one.delivered for one in accounts) == counts.get("delivered", 0)
        assert sum(one.pending for one in accounts) == counts.get("pending", 0)
        delivered = rows_in(self._engine, "delivered")
        assert all(self._acknowledged[row] for row in delivered), "delivered, and the dashboard never took it"

    def end(self) -> None:
        """All workers have died; one more worker finishes the work."""
        self._now += 2 * LEASE
        self._claims.clear()
        while self._claim(limit=100):
            for taken in self._claims:
                recording.record(self._engine, [(taken, DELIVERED)], now=self._now)
                self._acknowledged.update(taken.changes)
            self._claims.clear()
        assert set(states(self._engine)) <= {"delivered", "refused", "withdrawn"}, "something waits for ever"

    def _read(self) -> None:
        """Rows appear in the source and vanish from it, and a window is read, sometimes only in part."""
        window = self._random.choice(WINDOWS)
        self._source.update(self._random.sample(ROWS, 6))
        self._source.difference_update(self._random.sample(ROWS, 2))
        inside = sorted((row for row in self._source if row.last_modified_date in window), key=row_order)
        extraction = begin(self._engine, window)
        pieces = list(differences(inside, extraction.record))
        packs = list(pack((row for piece in pieces for row in piece.new), self._random.randint(2, 6), by_service=False))
        dies = self._random.random() < 0.3
        if dies:
            packs = packs[:1]
        for piece in pieces:
            if piece.gone:
                extraction.withdraw(piece.gone)
        new = extraction.stage(packs).new if packs else 0
        for packed in packs:
            self._allowed.update(packed.changes)
        if not dies:
            finish(extraction, valid=len(inside), new=new)
            account = ledger.account(self._engine, window)
            assert account.read == account.accounted, "the sum does not close"
            assert not rows_in(self._engine, "refused") & (self._inside(window) - self._source), "refused, and corrected since"
            assert not rows_in(self._engine, "withdrawn") & self._source & self._inside(window), "withdrawn, and there again"

    def _inside(self, window: Window) -> set[StatusChange]:
        return {row for row in ROWS if row.last_modified_date in window}

    def _claim(self, limit: int = 2) -> bool:
        """A new worker claims batches, whatever happened to the others."""
        holder = Leaseholder(self._name(), "run", LEASE.total_seconds())
        windows = WINDOWS if limit > 2 else [self._random.choice(WINDOWS)]
        most = self._random.choice([1000, 3])
        taken = claiming.claim(self._engine, windows, holder, limit=limit, most=most, zone=ZONE, now=self._now)
        if not taken or limit > 2:
            found = claiming.lease_parts(self._engine, windows, holder, limit=limit, most=most, zone=ZONE, now=self._now)
            taken += claiming.begin(self._engine, [part.batch_id for part in found], holder, now=self._now)
        for one in taken:
            assert one.changes, "an empty call"
            assert all(self._acknowledged[row] < self._allowed[row] for row in one.changes), "posted again"
        held = {one.batch_id for one in taken}
        assert len(held) == len(taken)
        self._claims += taken
        return bool(taken)

    def _end(self) -> None:
        """A call ends, in time or long after its lease: acknowledged, failed, refused, or with an unknown outcome."""
        if not self._claims:
            return
        taken = self._claims.pop(self._random.randrange(len(self._claims)))
        answer = self._random.choice([DELIVERED, UNAVAILABLE, LOST, FORBIDDEN, refused(), refused(), None])
        if answer is None:
            return
        before = rows_in(self._engine, "delivered")
        keep = [taken.batch_id] if answer.outcome is Outcome.REFUSED else []
        recording.record(self._engine, [(taken, answer)], keep=keep, now=self._now)
        if answer is DELIVERED:
            # A late answer may be about rows that are delivered already, or about a part of a batch that was split meanwhile.
            accepted = rows_in(self._engine, "delivered") - before
            assert accepted <= set(taken.changes), "delivered, and not in the call"
            self._acknowledged.update(accepted)
        elif answer not in (DELIVERED, UNAVAILABLE, LOST, FORBIDDEN):
            self._refusals.append(taken)

    def _take_apart(self) -> None:
        """The worker of a refused batch splits it, perhaps after another worker has claimed or settled the batch."""
        if not self._refusals:
            return
        taken = self._refusals.pop(self._random.randrange(len(self._refusals)))
        if self._random.random() < 0.1:
            leasing.release(self._engine, [taken.batch_id], taken.worker)
        elif len(taken.changes) == 1:
            suspects.refuse(self._engine, [(taken, "no")], now=self._now)
        else:
            self._search(taken)

    def _search(self, taken: Claim) -> None:
        """The batch is split; the head may be posted and refused as well, and return rows to the tail."""
        pieces = [LeasedBatch(taken.batch_id, taken.changes)]
        held = {"worker": taken.worker, "zone": ZONE}
        cuts = self._random.sample(range(1, len(taken.changes)), self._random.randint(1, min(2, len(taken.changes) - 1)))
        pieces = cutting.cut(self._engine, pieces[0], sorted(cuts), **held)
        if len(pieces) == 2 and self._random.random() < 0.5:
            holder = Leaseholder(taken.worker, "run", LEASE.total_seconds())
            for head in claiming.begin(self._engine, [pieces[0].batch_id], holder, now=self._now):
                recording.record(self._engine, [(head, refused())], keep=[head.batch_id], now=self._now)
                if len(head.changes) > 1:
                    pieces = [*(cutting.give_back(self._engine, *pieces, 1, **held) or pieces)]
            if len(pieces[-1].changes) > 1:
                pieces += cutting.take(self._engine, pieces[-1], 1, **held) or ()
        leasing.hand_back(self._engine, {piece.batch_id for piece in pieces}, taken.worker)

    def _wait(self) -> None:
        """Time passes: some leases end, and some living workers renew theirs."""
        if self._claims and self._random.random() < 0.3:
            holder = Leaseholder(self._claims[-1].worker, "run", LEASE.total_seconds())
            leasing.renew(self._engine, [self._claims[-1].batch_id], holder, now=self._now)
        self._now += LEASE * self._random.choice([0.1, 0.6, 1.1])

    def _send_again(self) -> None:
        """A run resends delivered rows."""
        before = rows_in(self._engine, "delivered")
        requeue.resend(self._engine, self._random.choice(WINDOWS), run_id=self._name(), zone=ZONE)
        for row in before - rows_in(self._engine, "delivered"):
            self._allowed[row] = self._acknowledged[row] + 1

    def _name(self) -> str:
        self._names += 1
        return str(self._names)


@pytest.mark.parametrize("seed", range(15))
def test_nothing_is_lost_or_sent_twice(quick_outbox: Engine, seed: int) -> None:
    """The invariants hold after every step, and in the end every row is settled."""
    walk = Walk(quick_outbox, Random(seed))
    for _ in range(STEPS):
        walk.step()
        walk.check()
    walk.end()
    walk.check()
