"""Use case: send what is pending in some windows, with several batches in flight."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.dashboard.answer import Answer, Attempt, Outcome, log_line
from tablero.delivery.hours import SendHours
from tablero.delivery.refusal import (
    FAILS_ON_BATCH_AFTER,
    REFUSES_EVERYTHING_AFTER,
    believable,
    cut_out_named,
    fails_on_row,
    halve,
    is_own_failure,
    probe,
    refuses_everything,
)
from tablero.delivery.supply import Supply
from tablero.delivery.throttle import Throttle
from tablero.errors import DashboardError, DashboardUnavailable, OutsideHours, WindowBusy
from tablero.outbox import queue
from tablero.outbox.batches import Fresh, Lease
from tablero.outbox.queue import Claim
from tablero.settings import Settings

log = logging.getLogger(__name__)

#: Transient failures in a row after which a task stops early: the dashboard is down, not a batch unlucky.
GIVE_UP_AFTER = 5

#: Fresh batches that wait beyond those in flight, so that no call waits for the next step of staging.
_STOCK = 10

#: What a lease lasts beyond the longest call, in seconds.
_LEASE_MARGIN = 60


#: Stages windows in steps, each of which gives its batches. It is told how to ask for the lease that they are to have.
Staging = Callable[[Callable[[], Lease | None]], Iterator[Sequence[Fresh]]]


class Poster(Protocol):
    """Posts a batch; :class:`tablero.dashboard.client.Dashboard`, or a stand-in in tests."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post the wire form of a batch once."""
        ...


@dataclass
class Delivery:
    """What a task sent.

    :ivar rows: acknowledged rows.
    :ivar calls: attempts, by how they ended.
    :ivar refused: single rows that the dashboard refused for good.
    """

    rows: int = 0
    calls: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    refused: int = 0

    def __str__(self) -> str:
        calls = ", ".join(f"{count} {outcome.value}" for outcome, count in self.calls.items() if count) or "none"
        return f"{self.rows} rows delivered, {self.refused} refused; calls: {calls}"


def send(
    engine: Engine,
    connect: Callable[[], Poster],
    settings: Settings,
    windows: Collection[Window],
    *,
    run_id: str,
    clock: Callable[[], datetime],
    observe: Callable[[Attempt], None] = log_line,
    staging: Staging | None = None,
) -> Delivery:
    """Post every pending batch of ``windows`` once, refused ones in ever smaller parts, and record every outcome.

    One bad batch does not stop the others, and one on which the dashboard fails again and again is taken apart, too. After
    :data:`GIVE_UP_AFTER` transient failures in a row, or a permanent one, no more are begun; those in flight are awaited. The
    same once the other side asked to wait, or ``send_hours`` have closed.

    :param engine: of the outbox.
    :param connect: called once there is something to post, and then once: a month without news needs no connection.
    :param observe: told of every attempt that is on record; writes its line in the log.
    :param staging: carried out meanwhile, and to its end even where nothing can be posted; what it raises is raised.
    :raises DashboardError: the dashboard or X-Road says no to everything; says what to do.
    :raises DashboardUnavailable: some batches stay pending; those delivered stay delivered.
    :raises WindowBusy: another worker holds what is left.
    :raises OutsideHours: ``send_hours`` closed before all was sent.
    """
    work = _Work(engine, connect, settings, windows, run_id, clock, observe, staging)
    try:
        work.run()
    finally:
        log.info("%s: %s", _labels(windows), work.delivery)
    work.conclude()
    return work.delivery


class _Work:
    """One pass over the backlog."""

    def __init__(
        self,
        engine: Engine,
        connect: Callable[[], Poster],
        settings: Settings,
        windows: Collection[Window],
        run_id: str,
        clock: Callable[[], datetime],
        observe: Callable[[Attempt], None],
        staging: Staging | None,
    ) -> None:
        self._engine = engine
        self._connect = connect
        self._poster: Poster | None = None
        self._windows = windows
        self._hours = SendHours(*settings.send_hours, settings.timezone) if settings.send_hours else None
        self._run_id = run_id
        self._clock = clock
        self._observe = observe
        self._worker = str(uuid4())
        self._zone = settings.timezone
        self._concurrency = settings.concurrency
        self._throttle = Throttle(settings.concurrency)
        self._lease = timedelta(seconds=settings.connect_timeout + settings.read_timeout + _LEASE_MARGIN)
        self._renewed = clock()
        self._supply = Supply(staging(self._lease_of_fresh) if staging else None, enough=settings.concurrency + _STOCK)
        self._look_into_outbox = True
        self._posting = True
        self._accepted = False
        self._refused = False
        self._largest_first = False
        self._suspects: list[tuple[Claim, Answer]] = []
        self._named: set[int] = set()
        self._doubtful: list[tuple[Claim, Answer]] = []
        self._parts_of_doubtful: set[int] = set()
        self._failures: list[Answer] = []
        self._in_a_row = 0
        self._told_to_wait = False
        self._closed = False
        self._permanent: Answer | None = None
        self.delivery = Delivery()

    def run(self) -> None:
        try:
            with self._supply, ThreadPoolExecutor(self._concurrency, thread_name_prefix="tablero-post") as pool:
                self._post_all(pool)
                self._posting = False
                self._supply.finish()
        finally:
            queue.hand_back(self._engine, self._supply.take(len(self._supply)), self._worker)
        if self._suspects:
            queue.release(self._engine, [claim for claim, _ in self._suspects])
        self._failures += [answer for _, answer in self._doubtful]

    def _post_all(self, pool: ThreadPoolExecutor) -> None:
        self._pass(pool)
        while self._suspects and self._permanent is None and self._came_to_the_end:
            # Nothing is left to post: the dashboard's word on single rows stands, unless it never accepted anything.
            if not self._accepted and not queue.ever_delivered(self._engine):
                self._permanent = self._refuses_everything()
                break
            self._set_aside()
            self._pass(pool)  # later changes of the same requests waited for these rows

    @property
    def _came_to_the_end(self) -> bool:
        return not (self._failures or self._doubtful or self._told_to_wait or self._closed)

    def _pass(self, pool: ThreadPoolExecutor) -> None:
        flying: dict[Future[Answer], Claim] = {}
        try:
            self._fly(pool, flying)
        except BaseException:
            # Told to stop: calls that are under way end, and what they brought is recorded, or it would be repeated.
            self._posting = False
            wait(flying)
            queue.record(self._engine, [(claim, future.result()) for future, claim in flying.items()], self._clock())
            raise

    def _fly(self, pool: ThreadPoolExecutor, flying: dict[Future[Answer], Claim]) -> None:
        while True:
            self._supply.replenish()
            for claim in self._take(self._throttle.limit - len(flying)):
                flying[pool.submit(self._post, claim)] = claim
            under_way: set[Future[Any]] = {*flying, *self._supply.under_way}
            if not under_way:
                return
            wait(under_way, timeout=self._lease.total_seconds() / 3, return_when=FIRST_COMPLETED)
            for claim in self._land(flying):
                flying[pool.submit(self._post, claim)] = claim
            self._renew(flying.values())
            self._supply.collect()

    def _land(self, flying: dict[Future[Answer], Claim]) -> list[Claim]:
        """Record the calls that have ended, then draw the consequences; returns those that follow them at once."""
        done = [future for future in flying if future.done()]
        answers = [(flying[future], future.result()) for future in done]
        now = self._clock()
        fresh = self._following([answer for _, answer in answers], len(flying) - len(done), now)
        claims = self._exchange(answers, fresh, now)
        for future in done:
            del flying[future]
        for claim, answer in answers:
            self._throttle.heed(answer, len(flying))
            self._heed(claim, answer)
        return claims

    def _following(self, answers: Sequence[Answer], flying: int, now: datetime) -> list[Fresh]:
        """What may follow calls of which nothing is to be learnt but that they are over."""
        if self._look_into_outbox or any(answer.outcome is not Outcome.DELIVERED for answer in answers):
            return []
        free = min(len(answers), self._throttle.limit - flying)
        return self._supply.first(free) if free > 0 and self._may_post(now) else []

    def _exchange(self, answers: Sequence[tuple[Claim, Answer]], fresh: Sequence[Fresh], now: datetime) -> list[Claim]:
        lease = Lease(self._worker, now + self._lease)
        claims = queue.exchange(self._engine, answers, fresh, run_id=self._run_id, now=now, lease=lease)
        self._supply.take(len(fresh))
        return claims

    def _renew(self, claims: Collection[Claim]) -> None:
        now = self._clock()
        if now >= self._renewed + self._lease / 3:
            held = [*(claim.batch_id for claim in claims), *self._supply]
            queue.renew(self._engine, held, Lease(self._worker, now + self._lease))
            self._renewed = now

    def _lease_of_fresh(self) -> Lease | None:
        """The lease of what is staged now: none once nothing more is posted, or nobody else could."""
        return Lease(self._worker, self._clock() + self._lease) if self._posting else None

    def conclude(self) -> None:
        """Raise what is left to say."""
        if self._permanent is not None:
            raise DashboardError(f"{_labels(self._windows)}: {self._permanent.told}")
        left = queue.backlog(self._engine, self._windows, self._clock())
        if self._closed and left.batches and self._hours is not None:
            opens_at = self._hours.next_opening(self._clock())
            raise OutsideHours(
                f"{_labels(self._windows)}: send_hours have closed; {left.rows} rows in {left.batches} batches wait until"
                f" {opens_at.astimezone(self._zone):%Y-%m-%d %H:%M}.",
                opens_at=opens_at,
            )
        if self._failures:
            waits = [answer.retry_after for answer in self._failures if answer.retry_after is not None]
            raise DashboardUnavailable(
                f"{_labels(self._windows)}: {left.rows} rows in {left.batches} batches are still pending;"
                f" {len(self._failures)} calls failed. First cause: {self._failures[0].told}",
                retry_after=max(waits, default=None),
            )
        if left.batches and left.batches == left.waiting:
            raise WindowBusy(
                f"{_labels(self._windows)}: {left.rows} rows in {left.batches} batches wait for earlier changes of the same"
                " requests, which lie in another window and are pending there. Load that month or day first."
            )
        if left.batches:
            now = self._clock()
            wait_for = (left.leased_until - now).total_seconds() if left.leased_until else 0.0
            raise WindowBusy(
                f"{_labels(self._windows)}: another worker holds {left.rows} rows in {left.batches} batches"
                f" for at most {wait_for:.0f} s more.",
                retry_after=max(wait_for, 1.0),
            )

    def _take(self, free: int) -> list[Claim]:
        now = self._clock()
        if free <= 0 or not self._may_post(now) or not self._has_to_post(now):
            return []
        claims: list[Claim] = []
        if self._look_into_outbox or self._supply.is_spent:
            claims = queue.claim(
                self._engine,
                self._windows,
                worker=self._worker,
                run_id=self._run_id,
                limit=free,
                now=now,
                lease=self._lease,
                largest_first=self._next_size(),
            )
            self._look_into_outbox = len(claims) == free
        return claims + self._exchange([], self._supply.first(free - len(claims)), now)

    def _has_to_post(self, now: datetime) -> bool:
        """Whether there is, or was, anything to post; connects the first time."""
        if self._poster is None and (len(self._supply) or queue.backlog(self._engine, self._windows, now).batches):
            self._poster = self._connect()
        return self._poster is not None

    def _may_post(self, now: datetime) -> bool:
        if self._permanent is not None or self._in_a_row >= GIVE_UP_AFTER or self._told_to_wait:
            return False
        if self._hours is not None and not self._hours.open_at(now):
            self._closed = True
        return not self._closed

    def _next_size(self) -> bool:
        """While it is open whether everything is refused, try a single row and a large part in turn."""
        if self._accepted or not self._refused:
            return False
        self._largest_first = not self._largest_first
        return not self._largest_first

    def _post(self, claim: Claim) -> Answer:
        assert self._poster is not None  # without it nothing is claimed
        try:
            return self._poster.post(encode(claim.changes), message_id=claim.message_id, issue=str(claim.batch_id))
        except Exception as error:  # whatever it is, the other batches in flight are not to be forgotten for it
            log.exception("batch %d", claim.batch_id)
            return Answer(Outcome.UNKNOWN, error=f"{type(error).__name__}; vea el registro / see the log")

    def _heed(self, claim: Claim, answer: Answer) -> None:
        """Draw the consequences of an outcome that is on record."""
        self.delivery.calls[answer.outcome] += 1
        window = _window_of(claim, self._windows)
        self._observe(Attempt(claim.batch_id, len(claim.changes), claim.message_id, answer, window))
        if answer.outcome is Outcome.DELIVERED:
            self._accepted = True
            self._in_a_row = 0
            self.delivery.rows += len(claim.changes)
            self._take_apart_doubtful()
        elif answer.outcome is Outcome.REFUSED:
            self._in_a_row = 0
            self._take_apart(claim, answer)
        elif answer.outcome is Outcome.PERMANENT:
            self._permanent = self._permanent or answer
        elif self._is_doubtful(claim, answer):
            self._in_a_row += 1
            self._doubtful.append((claim, answer))
            self._take_apart_doubtful()
        else:
            self._in_a_row += 1
            self._failures.append(answer)
            self._told_to_wait = self._told_to_wait or bool(answer.retry_after)

    def _take_apart(self, claim: Claim, answer: Answer) -> None:
        self._refused = True
        if len(claim.changes) > 1:
            self._split(claim, answer)
            return
        self._suspects.append((claim, answer))
        if self._accepted:
            self._set_aside()
        elif len(self._suspects) - self._refused_by_name >= REFUSES_EVERYTHING_AFTER:
            self._permanent = self._refuses_everything()

    def _split(self, claim: Claim, answer: Answer) -> None:
        self._look_into_outbox = True
        changes = claim.changes
        names = self._accepted or believable(answer, self._refused_by_name)
        if edges := cut_out_named(changes, answer) if names else []:
            parts = queue.split(self._engine, claim, edges, zone=self._zone)
            self._named.update(part for part, start in zip(parts, [0, *edges], strict=False) if start in answer.named)
        elif self._accepted or answer.too_large or len(changes) == 2:
            queue.split(self._engine, claim, halve(changes), zone=self._zone)
        else:
            services = {claim.changes[0].service_id for claim, _ in self._suspects}
            queue.split(self._engine, claim, probe(changes, answer, services), zone=self._zone)

    def _is_doubtful(self, claim: Claim, answer: Answer) -> bool:
        """Whether it may be a row of the batch, and not the moment, that the dashboard fails on."""
        if not is_own_failure(answer):
            return False
        again = queue.times_failed(self._engine, claim.batch_id) >= FAILS_ON_BATCH_AFTER
        return again or claim.batch_id in self._parts_of_doubtful

    def _take_apart_doubtful(self) -> None:
        """Halve until the row stands alone. Only a dashboard that takes other rows meanwhile has failed on this one."""
        doubtful, self._doubtful = self._doubtful, []
        for claim, answer in doubtful:
            single = len(claim.changes) == 1
            if not self._accepted and (single or claim.batch_id in self._parts_of_doubtful):
                self._doubtful.append((claim, answer))
            elif single:
                queue.set_aside(self._engine, [(claim, fails_on_row(answer))], self._clock())
                self.delivery.refused += 1
            else:
                self._look_into_outbox = True
                self._parts_of_doubtful.update(queue.split(self._engine, claim, halve(claim.changes), zone=self._zone))

    @property
    def _refused_by_name(self) -> int:
        return sum(claim.batch_id in self._named for claim, _ in self._suspects)

    def _refuses_everything(self) -> Answer:
        return refuses_everything([(claim.changes[0], answer) for claim, answer in self._suspects])

    def _set_aside(self) -> None:
        if self._suspects:
            refused = [(claim, answer.told) for claim, answer in self._suspects]
            queue.set_aside(self._engine, refused, self._clock())
            self.delivery.refused += len(self._suspects)
            self._suspects.clear()


def _window_of(claim: Claim, windows: Collection[Window]) -> str | None:
    first = claim.changes[0].last_modified_date
    return next((window.label for window in windows if first in window), None)


def _labels(windows: Collection[Window]) -> str:
    names = [window.label for window in windows]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]} ({len(names)} windows)"
