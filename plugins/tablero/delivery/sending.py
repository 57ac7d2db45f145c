"""Use case: send what is pending in some windows, and report what is left and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt, Outcome, log_line
from tablero.delivery.planning import EVERYTHING
from tablero.delivery.posting.hours import SendHours
from tablero.delivery.posting.job import Client, Job
from tablero.delivery.posting.pump import Pump, Staging
from tablero.delivery.posting.rules import GIVE_UP_AFTER, Pass, Stop
from tablero.delivery.posting.single_rows import Findings
from tablero.delivery.run import Run
from tablero.errors import DashboardBusy, DashboardError, DashboardUnavailable, OutsideHours, RowsLeased, WindowBusy
from tablero.outbox.queue import pending
from tablero.outbox.queue.claims import Leaseholder
from tablero.settings import Settings
from tablero.texts import delivery as texts
from tablero.texts.text import verbatim

__all__ = ["GIVE_UP_AFTER", "Delivery", "send"]

log = logging.getLogger(__name__)

#: How much longer a lease lasts than the longest call, in seconds.
_LEASE_MARGIN = 60

#: After what time rows that another worker has leased are looked at again: it releases them when it is done, not at the end of
#: its lease.
LOOK_AGAIN_AFTER = timedelta(minutes=1)


@dataclass
class Delivery:
    """What a task sent.

    :ivar rows: acknowledged rows.
    :ivar calls: number of attempts by outcome.
    :ivar refused: single rows refused for good.
    :ivar unproved: those among them for which no later acceptance proves that only the row was at fault; they degrade the run.
    :ivar recognised: rows that the dashboard recognised as repeats, and so had before.
    """

    rows: int = 0
    calls: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    refused: int = 0
    unproved: int = 0
    recognised: int = 0

    def count(self, attempt: Attempt) -> None:
        """Count a recorded attempt."""
        answer = attempt.answer
        self.calls[answer.outcome] += 1
        self.rows += attempt.accepted
        if answer.outcome is Outcome.DELIVERED and answer.is_repeat:
            self.recognised += attempt.rows

    def __str__(self) -> str:
        calls = ", ".join(f"{count} {outcome.value}" for outcome, count in self.calls.items() if count) or "none"
        return f"{self.rows} rows delivered, {self.refused} refused; calls: {calls}"


def send(
    engine: Engine,
    connect: Callable[[], Client],
    settings: Settings,
    windows: Collection[Window],
    run: Run,
    *,
    observe: Callable[[Attempt], None] = log_line,
    staging: Staging | None = None,
    cancel: Callable[[], None] = lambda: None,
) -> Delivery:
    """Post each pending batch of ``windows`` once, and record every outcome.

    The oldest change goes first, batches refused before go last. Batches that are refused, or fail repeatedly, are searched for
    the rows at fault. The pass ends early on a permanent error, after :data:`GIVE_UP_AFTER` failures in a row unless other rows
    are accepted, when the dashboard asks to wait, and when ``send_hours`` close; calls in flight are awaited.

    :param engine: of the outbox.
    :param connect: creates the client; called at most once, when there is something to post.
    :param observe: called with every recorded attempt; by default it logs a line.
    :param staging: stages batches meanwhile, and runs to its end even if nothing can be posted; its exceptions are raised.
    :param cancel: cancels the statement that ``staging`` waits for; called when the task is stopped.
    :raises DashboardError: if the dashboard or X-Road refuses everything; says what to do.
    :raises DashboardBusy: if it asks to wait after it accepted something: the task is deferred without using up a try.
    :raises DashboardUnavailable: if batches stay pending; what was delivered stays delivered.
    :raises RowsLeased: if another worker has a lease on what is left.
    :raises WindowBusy: if what is left waits for earlier changes in another window.
    :raises OutsideHours: if ``send_hours`` closed before all was sent.
    """
    delivery = Delivery()

    def count(attempt: Attempt) -> None:
        delivery.count(attempt)
        observe(attempt)

    seconds = settings.connect_timeout + settings.read_timeout + _LEASE_MARGIN
    job = Job(engine, connect, settings, windows, Leaseholder(str(uuid4()), run.id, seconds), run.clock, count)
    so_far = Pass(pending.ever_delivered(engine))
    pump = Pump(job, so_far, staging, cancel)
    try:
        pump.run()
        undecided = pump.close()
    finally:
        delivery.refused, delivery.unproved = pump.single.findings.refused, pump.single.findings.unproved
        log.info("%s: %s", _labels(windows), delivery)
    _conclude(job, so_far, pump.single.findings, undecided, delivery)
    return delivery


def _conclude(job: Job, so_far: Pass, findings: Findings, undecided: Sequence[Answer], delivery: Delivery) -> None:
    """Raise the error that describes what is left, if any."""
    windows = texts.ALL_PENDING if EVERYTHING in job.windows else verbatim(_labels(job.windows))
    if so_far.permanent is not None:
        cause = so_far.permanent.explained
        text = texts.NOT_THE_DASHBOARD if so_far.permanent.unexpected else texts.PERMANENT
        raise DashboardError(text(windows=windows, cause=cause))
    left = pending.backlog(job.engine, job.windows)
    if not left.batches:
        return
    how_much = {"windows": windows, "rows": left.rows, "batches": left.batches}
    now = job.clock()
    if so_far.stop is Stop.CLOSED:
        opening = _next_opening(job.settings, now)
        raise OutsideHours(texts.CLOSED(**how_much, opens=_local(job.settings, opening)), resume_at=opening)
    wait = so_far.asked_to_wait
    if so_far.stop is Stop.WAIT and so_far.accepted and wait is not None:
        resumes = now + timedelta(seconds=wait)
        text = texts.BUSY(**how_much, delivered=delivery.rows, resumes=_local(job.settings, resumes))
        raise DashboardBusy(text, resume_at=resumes)
    if findings.likely_repeats:
        raise DashboardUnavailable(texts.FAILS_ON_EVERY_REPEAT(batch=str(min(findings.likely_repeats))))
    if so_far.failures:
        cause = so_far.failures[0].explained
        text = texts.STILL_PENDING(**how_much, failed=len(so_far.failures), cause=cause)
        raise DashboardUnavailable(text, retry_after=wait)
    if so_far.refusal is not None and so_far.accepted and not so_far.may_search:
        cause, delivered = so_far.refusal.explained, delivery.rows
        text = texts.REFUSES_EVERYTHING_NOW(windows=windows, delivered=delivered, rows=left.rows, cause=cause)
        raise DashboardUnavailable(text)
    if findings.struck or (undecided and so_far.accepted):
        waiting = findings.struck or undecided
        cause = waiting[0].explained
        raise DashboardUnavailable(texts.WILL_BE_TRIED_ONCE_MORE(windows=windows, rows=len(waiting), cause=cause))
    if so_far.refusal is not None and not so_far.accepted:
        calls = sum(delivery.calls.values())
        cause = so_far.refusal.explained
        raise DashboardError(texts.REFUSES_EVERYTHING(windows=windows, calls=calls, rows=left.rows, cause=cause))
    if left.waiting == left.batches:
        raise WindowBusy(texts.WAITS_FOR_EARLIER(**how_much))
    if left.wait is None:
        raise WindowBusy(texts.JUST_RELEASED(**how_much))
    resumes = now + min(timedelta(seconds=left.wait), LOOK_AGAIN_AFTER)
    raise RowsLeased(texts.ANOTHER_WORKER(**how_much, resumes=_local(job.settings, resumes)), resume_at=resumes)


def _next_opening(settings: Settings, now: datetime) -> datetime:
    assert settings.send_hours is not None  # the pass stopped because they closed
    return SendHours(*settings.send_hours, settings.timezone).next_opening(now)


def _local(settings: Settings, instant: datetime) -> str:
    return f"{instant.astimezone(settings.timezone):%Y-%m-%d %H:%M}"


def _labels(windows: Collection[Window]) -> str:
    names = [window.label for window in windows]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]} ({len(names)})"
