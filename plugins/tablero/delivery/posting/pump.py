"""The loop of a pass: calls in flight, leases, and recording the answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.dashboard.redaction import hide_values
from tablero.delivery.posting.calls import Calls, moment
from tablero.delivery.posting.cases import Cases
from tablero.delivery.posting.hours import SendHours
from tablero.delivery.posting.rules import Pass, interpret
from tablero.delivery.posting.supply import Supply
from tablero.delivery.posting.throttle import Throttle
from tablero.errors import OutboxUnavailable
from tablero.outbox.batches import Fresh, Lease
from tablero.outbox.queue import claiming, leasing, pending, recording
from tablero.outbox.queue.claims import Claim, Hold
from tablero.settings import Settings
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)

#: Staged batches kept in stock beyond those in flight, so that no call waits for the next step of staging.
_STOCK = 10

#: Seconds that calls in flight get when the task must end.
GRACE = 20.0

#: Seconds between two attempts to reach an outbox that does not answer.
_LOOK_AGAIN = 0.5

#: Stages windows in steps that yield their batches; called with a function that returns the lease for them.
Staging = Callable[[Callable[[], Lease | None]], Iterator[Sequence[Fresh]]]


class Client(Protocol):
    """Posts a batch; implemented by :class:`tablero.dashboard.client.Dashboard`, and by fakes in tests."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post the wire form of a batch once."""
        ...


@dataclass(frozen=True)
class Job:
    """The parameters of a pass.

    :ivar engine: of the outbox.
    :ivar connect: creates the client; called at most once, when there is something to post.
    :ivar settings: the settings.
    :ivar windows: batches that touch one of them are posted.
    :ivar hold: the worker and its lease.
    :ivar clock: this machine's clock, for ``send_hours`` only.
    :ivar observe: called with every recorded attempt.
    """

    engine: Engine
    connect: Callable[[], Client]
    settings: Settings
    windows: Collection[Window]
    hold: Hold
    clock: Callable[[], datetime]
    observe: Callable[[Attempt], None]


class Pump:
    """One pass over what is pending: freshly staged batches first, then what was pending before, then the search.

    :param job: the parameters.
    :param so_far: state of the pass.
    :param staging: stages batches meanwhile.
    :param cancel: cancels the statement that ``staging`` waits for.
    """

    def __init__(self, job: Job, so_far: Pass, staging: Staging | None, cancel: Callable[[], None]) -> None:
        settings = job.settings
        self._job = job
        self._pass = so_far
        self._cancel = cancel
        self._hours = SendHours(*settings.send_hours, settings.timezone) if settings.send_hours else None
        self._client: Client | None = None
        self._calls = Calls(self._post)
        self._deadlines = Deadlines(job.hold.seconds)
        self._throttle = Throttle(settings.concurrency)
        self._in_hand: Sequence[tuple[Claim, Answer]] = []
        self._not_begun: Sequence[Claim] = []
        self._after_outage = False
        self._look = {False: True, True: True}
        self._has_looked = False
        self._supply = Supply(
            staging(self._lease_of_fresh) if staging else None, settings.concurrency + _STOCK, self._calls.ring
        )
        self.cases = Cases(job.engine, job.hold, settings.timezone, so_far)

    def run(self) -> None:
        """Post all that may be posted, and record every outcome.

        :raises OutboxUnavailable: if it could not record the answers for as long as the leases last.
        """
        try:
            self._go_round()
            self._deadlines.close()
            self._supply.finish()
        except BaseException:
            self._end_soon()
            raise
        finally:
            self._calls.close()
            with suppress(OutboxUnavailable):  # otherwise the next worker waits for the leases to end
                leasing.hand_back(self._job.engine, list(self._supply), self._job.hold.worker)

    def _go_round(self) -> None:
        while True:
            self._supply.replenish()
            since = moment()
            self._begin(self._next(self._throttle.limit - len(self._calls)), since)
            if not len(self._calls) and not self._supply.is_under_way:
                if self._has_looked and not self._is_more_to_come():
                    return
                self._look = dict.fromkeys(self._look, True)  # batches that waited for others may be claimed now
                self._has_looked = True
                continue
            self._has_looked = False
            self._calls.wait(self._deadlines.until_renewal)
            since = moment()
            self._begin(self._land(), since)
            self._renew()
            self._supply.collect()

    def _is_more_to_come(self) -> bool:
        """Whether batches are in stock, or a step of staging is left, that may be posted."""
        return self._may_post() and (len(self._supply) > 0 or not self._supply.is_exhausted)

    # -- what is posted next ---------------------------------------------------------------------------------------------------

    def _next(self, free: int) -> list[Claim]:
        """Begin as many calls as are free: staged batches, what was pending before, then the search."""
        if free <= 0 or not self._may_post() or not self._has_client():
            return []
        claims = self._exchange([], self._supply.first(free)) if len(self._supply) else []
        # What was pending before is posted after everything was read: only then are rows known that the source has lost.
        if self._supply.is_exhausted:
            for source in (self._whole, self._again, self.cases.next, self._parts):
                if len(claims) < free:
                    claims += source(free - len(claims))
            if not claims and not len(self._calls):
                claims = self.cases.suspects_again(at_the_end=True)
        return claims

    def _whole(self, most: int) -> list[Claim]:
        return self._claim(most, parts=False)

    def _again(self, _most: int) -> list[Claim]:
        return self.cases.suspects_again()

    def _parts(self, most: int) -> list[Claim]:
        return self._claim(most, parts=True) if self._pass.may_search else []

    def _claim(self, most: int, *, parts: bool) -> list[Claim]:
        if not self._look[parts]:
            return []
        job, settings = self._job, self._job.settings
        claims = claiming.claim(
            job.engine,
            job.windows,
            job.hold,
            limit=most,
            parts=parts,
            most=settings.batch_size,
            by_service=settings.group_by_service,
            zone=settings.timezone,
        )
        self._look[parts] = len(claims) >= most
        return claims

    def _may_post(self) -> bool:
        if self._hours is not None and not self._hours.open_at(self._job.clock()):
            self._pass.close()
        return self._pass.stop is None

    def _has_client(self) -> bool:
        """Whether there is anything to post; creates the client the first time."""
        if self._client is None and (len(self._supply) or pending.backlog(self._job.engine, self._job.windows).batches):
            self._client = self._job.connect()
        return self._client is not None

    def _begin(self, claims: Sequence[Claim], since: float) -> None:
        self._deadlines.hold([claim.attempt_id for claim in claims], since)
        for claim in claims:
            self._calls.begin(claim)
        self._not_begun = []

    def _post(self, claim: Claim) -> Answer:
        """Post a claim; runs in its own thread."""
        assert self._client is not None  # nothing is claimed without it
        if self._deadlines.are_over(claim.attempt_id):
            return Answer.saying(Outcome.TRANSIENT, texts.NOT_POSTED)
        try:
            return self._client.post(encode(claim.changes), message_id=claim.message_id, issue=str(claim.batch_id))
        except Exception as error:  # must not affect the other batches in flight
            log.exception("%s", texts.CALL_BROKE(batch=str(claim.batch_id)))
            return Answer.saying(Outcome.UNKNOWN, texts.OUR_OWN_FAULT(kind=type(error).__name__))

    # -- what came back --------------------------------------------------------------------------------------------------------

    def _land(self) -> list[Claim]:
        """Record the calls that have ended and process them; returns the claims that follow them immediately."""
        answers = [(claim, interpret(answer, claim.history)) for claim, answer in self._calls.take()]
        if not answers:
            return []
        claims = self._exchange(answers, self._following(answers))
        for claim, answer in answers:
            told = without_values(answer, claim)
            self._deadlines.forget(claim.attempt_id)
            self._throttle.learn(answer, len(self._calls))
            self._pass.learn(told, claim.history, in_search=claim.history.cuts > 0)
            self._observe(claim, told)
            if claim.batch_id in self.cases or self.cases.wants(claim, answer):
                self.cases.answered(claim, answer)
        return claims

    def _following(self, answers: Sequence[tuple[Claim, Answer]]) -> list[Fresh]:
        """Staged batches that may follow if all calls were delivered, so that no further decision is needed."""
        if any(answer.outcome is not Outcome.DELIVERED for _, answer in answers):
            return []
        free = min(len(answers), self._throttle.limit - len(self._calls))
        return self._supply.first(free) if free > 0 and self._may_post() else []

    def _exchange(self, answers: Sequence[tuple[Claim, Answer]], fresh: Sequence[Fresh]) -> list[Claim]:
        """Record finished calls and the next ones; retried until the outbox takes it, while nothing else is posted."""
        keep = {claim.batch_id for claim, answer in answers if self.cases.wants(claim, answer)}
        self._in_hand = answers
        end = moment() + self._job.hold.seconds
        while True:
            try:
                claims = recording.exchange(
                    self._job.engine, answers, fresh, self._job.hold, keep=keep, after_outage=self._after_outage
                )
                break
            except OutboxUnavailable as error:
                if not answers or moment() >= end:  # the leases have ended, so the answers are given up
                    raise
                log.warning("%s", texts.OUTBOX_STILL_UNAVAILABLE(answers=len(answers), cause=error.text))
                fresh, self._after_outage = [], True  # their attempts may be on record, but were not made
                threading.Event().wait(_LOOK_AGAIN)
        self._in_hand, self._not_begun = [], claims
        self._after_outage = self._after_outage and not fresh
        self._supply.take(len(fresh))
        return claims

    def _observe(self, claim: Claim, answer: Answer) -> None:
        first = claim.changes[0].last_modified_date
        window = next((window.label for window in self._job.windows if first in window), None)
        self._job.observe(Attempt(claim.batch_id, len(claim.changes), claim.message_id, answer, window))

    # -- leases ----------------------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        if self._deadlines.until_renewal > 0:
            return
        since = moment()
        held = [*(claim.batch_id for claim in self._calls.claims), *self._supply, *self.cases.held]
        with suppress(OutboxUnavailable):  # recording the answers reports it, if there are any
            still = leasing.renew(self._job.engine, held, self._job.hold)
            mine = [claim.attempt_id for claim in self._calls.claims if claim.batch_id in still]
            self._deadlines.hold(mine, since)
        self._deadlines.renewed(since)

    def _lease_of_fresh(self) -> Lease | None:
        """The lease for batches staged now; ``None`` once nothing more is posted. Called from the staging thread."""
        return leasing.lease(self._job.engine, self._job.hold) if self._deadlines.are_kept else None

    # -- the end ---------------------------------------------------------------------------------------------------------------

    def _end_soon(self) -> None:
        """End the task early: calls in flight get a moment, and their answers are recorded, or they would be repeated."""
        self._deadlines.close()
        end = moment() + GRACE
        if self._supply.is_under_way:
            with suppress(Exception):  # the statement may not be cancellable
                self._cancel()
        with suppress(OutboxUnavailable):
            stopped = Answer.saying(Outcome.TRANSIENT, texts.STOPPED)
            begun = {claim.attempt_id for claim in self._calls.claims}
            never_made = [(claim, stopped) for claim in self._not_begun if claim.attempt_id not in begun]
            recording.record(self._job.engine, [*self._in_hand, *never_made])
            while len(self._calls) and moment() < end:
                self._calls.wait(min(1.0, max(0.0, end - moment())))
                answers = [(claim, interpret(answer, claim.history)) for claim, answer in self._calls.take()]
                recording.record(self._job.engine, answers)
            leasing.release(self._job.engine, self.cases.held, self._job.hold.worker)
        self._supply.settle(max(0.0, end - moment()))
        with suppress(Exception):
            self._supply.collect()


class Deadlines:
    """How long this worker may post what it has claimed, by a local monotonic clock, so that a worker that was suspended
    notices before it posts.

    :param seconds: length of a lease.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[int, float] = {}
        self._renewed = moment()
        self.are_kept = True

    def hold(self, attempts: Collection[int], since: float) -> None:
        """Start the time of these attempts.

        :param since: a time before the outbox was asked for the lease.
        """
        self._until.update((attempt, since + self._seconds) for attempt in attempts)

    def forget(self, attempt: int) -> None:
        """Remove an attempt that has ended."""
        self._until.pop(attempt, None)

    def are_over(self, attempt: int) -> bool:
        """Whether another worker may hold the batch of this attempt by now."""
        return moment() >= self._until.get(attempt, 0.0)

    @property
    def until_renewal(self) -> float:
        """Seconds until the leases must be renewed: after a third of their length."""
        return max(0.0, self._renewed + self._seconds / 3 - moment())

    def renewed(self, since: float) -> None:
        """Note that the leases were renewed."""
        self._renewed = since

    def close(self) -> None:
        """Post nothing more."""
        self.are_kept = False


def without_values(answer: Answer, claim: Claim) -> Answer:
    """An answer for use outside the outbox: without values of the rows that were posted."""
    if not answer.message or answer.outcome is Outcome.DELIVERED:
        return answer
    values = {value for change in claim.changes for value in (change.service_id, change.request_id)}
    return replace(answer, message=hide_values(answer.message, values))
