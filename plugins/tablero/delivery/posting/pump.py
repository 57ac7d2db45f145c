"""The loop of a pass: keeps calls in flight, decides what is posted next, and processes the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.dashboard.quoted_rows import without_values
from tablero.delivery.posting.backlog import Backlog
from tablero.delivery.posting.calls import Calls, seconds_since_boot
from tablero.delivery.posting.job import Job
from tablero.delivery.posting.leased_client import LeasedClient
from tablero.delivery.posting.recorder import TRY_AGAIN_AFTER, Recorder
from tablero.delivery.posting.rules import Pass, interpret
from tablero.delivery.posting.searched_batches import SearchedBatches
from tablero.delivery.posting.single_rows import SingleRows
from tablero.delivery.posting.supply import Supply
from tablero.delivery.posting.throttle import Throttle
from tablero.errors import TableroError
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.outbox.queue import leasing, suspects
from tablero.outbox.queue.claims import Claim
from tablero.texts import delivery as texts

#: Staged batches in stock beyond those in flight, so that no call waits for the next step of staging.
_STOCK = 10

#: Seconds in which calls in flight must be answered and recorded when the task is told to end.
GRACE = 20.0

#: Seconds beyond that in which leases are handed back, before an outbox that does not answer is left alone.
_MARGIN = 4.0

#: Stages windows in steps that yield their batches; called with a function that returns the lease for them.
Staging = Callable[[Callable[[], Lease | None]], Iterator[Sequence[LeasedBatch]]]


@dataclass
class _End:
    """When a pass that ends early gives up what is left.

    :ivar at: by :func:`~tablero.delivery.posting.calls.seconds_since_boot`; another thread may make it earlier.
    """

    at: float


class Pump:
    """One pass over what is pending: freshly staged batches first, then what was pending before, then the search.

    :param job: the parameters.
    :param so_far: state of the pass.
    :param staging: stages batches meanwhile, in a separate thread.
    :param cancel: cancels the statement that ``staging`` waits for.
    """

    def __init__(self, job: Job, so_far: Pass, staging: Staging | None, cancel: Callable[[], None]) -> None:
        self._job = job
        self._pass = so_far
        longest_call = job.settings.connect_timeout + job.settings.read_timeout
        self._client = LeasedClient(job.connect, job.holder.seconds, longest_call)
        self._calls = Calls(self._client.post)
        self._throttle = Throttle(job.settings.concurrency)
        self._recorder = Recorder(job.engine, job.holder, job.settings.timezone)
        self._backlog = Backlog(job)
        self._leased_since = seconds_since_boot()
        steps = staging(self._lease_for_staging) if staging else None
        self._supply = Supply(steps, job.settings.concurrency + _STOCK, self._calls.wake, cancel)
        self.single = SingleRows(job.engine, job.holder, so_far)
        self.searched = SearchedBatches(job.engine, job.holder, job.settings.timezone, so_far, self._backlog, self.single)

    def run(self) -> None:
        """Post all that may be posted, and record every outcome.

        :raises OutboxUnavailable, SetupError: if the answers could not be recorded before the leases ended.
        """
        try:
            self._keep_posting()
            self._client.deadlines.close()
            self._supply.finish()
            self._hand_back()
        except Exception:
            self._end_early(self._job.holder.seconds)
            raise
        except BaseException:  # the task has been told to end
            self._end_early(GRACE)
            raise
        finally:
            self._calls.close()

    def _keep_posting(self) -> None:
        is_final_check = False
        while True:
            self._supply.replenish()
            claims = self._next(self._calls.free(self._throttle.limit))
            self._begin(claims)
            if claims and self._calls.free(self._throttle.limit) > 0:
                continue  # some of them wait for calls in flight, and others need not
            if not len(self._calls) and not self._supply.is_under_way:
                if is_final_check and not self._is_more_to_come():
                    return
                self._backlog.reset()
                is_final_check = True
                continue
            is_final_check = False
            self._calls.wait(self._client.deadlines.until_renewal)
            self._begin(self._take_answers())
            self._collect()
            self._renew()

    def close(self) -> list[Answer]:
        """Judge the rows of which nothing is proved, and release what is held; returns the answers about those left pending."""
        self.searched.close()
        if not self.single.is_undecided:
            return []
        only_suspects_left = suspects.only_suspects_left(self._job.engine, self._job.windows, self.single.held)
        is_over = self._pass.stop is None and not self._pass.failures
        return self.single.close(
            nothing_else_left=is_over and self._backlog.count() == len(self.single.held), only_suspects_left=only_suspects_left
        )

    # -- what is posted next ---------------------------------------------------------------------------------------------------

    def _next(self, free: int) -> list[Claim]:
        """Claim up to ``free`` batches: staged ones, then what was pending before, then the search."""
        if free <= 0 or not self._may_post() or not self._is_connected():
            return []
        if self._pass.must_probe:
            return self._probe() if not len(self._calls) else []
        claims = self._claim(free, self._backlog.whole, self.single.again, self.searched.next)
        return claims or ([] if len(self._calls) else self._leased(self.single.again_at_the_end, free))

    def _probe(self) -> list[Claim]:
        """Claim one call that may succeed although the last ones failed: what has failed least often, then smaller parts."""
        whole, parts = self._backlog.least_failed, self.searched.next
        claims = self._claim(1, *((parts, whole) if self._pass.probes else (whole, parts)))
        self._pass.probes += len(claims)
        return claims or self._leased(self.single.again_at_the_end)

    def _claim(self, most: int, *sources: Callable[[int], list[Claim]]) -> list[Claim]:
        """Claim staged batches, and what these sources give.

        What was pending before is posted after everything was read: only then are rows known that the source has lost.
        """
        claims = self._exchange([], self._supply.first(most)) if len(self._supply) else []
        for source in sources if self._supply.is_exhausted else ():
            if len(claims) < most:
                claims += self._leased(source, most - len(claims))
        return claims

    def _is_more_to_come(self) -> bool:
        """Whether batches are in stock, or a step of staging is left, that may be posted."""
        return self._may_post() and (len(self._supply) > 0 or not self._supply.is_exhausted)

    def _may_post(self) -> bool:
        if not self._job.is_within_hours:
            self._pass.close()
        return self._pass.stop is None

    def _is_connected(self) -> bool:
        """Whether there is anything to post; creates the client the first time."""
        if not self._client.is_connected and (len(self._supply) or not self._backlog.is_empty()):
            self._client.connect()
        return self._client.is_connected

    def _begin(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._calls.begin(claim)
        self._recorder.all_begun()

    # -- what came back --------------------------------------------------------------------------------------------------------

    def _take_answers(self) -> list[Claim]:
        """Record the calls that have ended and process them; returns the claims to post next."""
        answers = [(claim, interpret(answer, claim.history)) for claim, answer in self._calls.take()]
        if not answers:
            return []
        claims = self._exchange(answers, self._following(answers))
        self._calls.recorded(len(answers))
        for claim, answer in answers:
            self._throttle.learn(answer, self._calls.in_flight)
            self._pass.learn(without_values(answer, claim.changes), claim.history, in_search=claim.batch_id in self.searched)
            self._close_attempt(claim, answer)
        self._post_waiting([claim for claim, answer in answers if answer.outcome in (Outcome.TRANSIENT, Outcome.UNKNOWN)])
        return claims

    def _close_attempt(self, claim: Claim, answer: Answer) -> None:
        self._client.deadlines.forget(claim.batch_id)
        self._observe(claim, without_values(answer, claim.changes))
        if claim.batch_id in self.searched or self.searched.wants(claim, answer):
            self.searched.answered(claim, answer)

    def _post_waiting(self, failed: Sequence[Claim]) -> None:
        """Post the claims that waited for answers which are on record now. Those that must not be posted end unposted: newer
        changes of requests whose earlier ones have failed, and all of them if the pass posts nothing more. Behind a refused
        batch nothing waits, since whole batches are posted before the parts of refused ones.
        """
        if dropped := self._calls.drop_waiting(failed if self._may_post() else None):
            unposted = [(claim, Answer.saying(Outcome.TRANSIENT, texts.WAITED_IN_VAIN)) for claim in dropped]
            self._exchange(unposted, [])
            for claim, answer in unposted:
                self._close_attempt(claim, answer)
        self._calls.post_waiting(self._throttle.limit)

    def _following(self, answers: Sequence[tuple[Claim, Answer]]) -> list[LeasedBatch]:
        """Staged batches that may follow immediately: none unless all calls were accepted, so that no decision is needed."""
        if any(answer.outcome is not Outcome.DELIVERED for _, answer in answers):
            return []
        free = min(len(answers), self._calls.free(self._throttle.limit))
        return self._supply.first(free) if free > 0 and self._may_post() else []

    def _exchange(self, answers: Sequence[tuple[Claim, Answer]], staged: Sequence[LeasedBatch]) -> list[Claim]:
        keep = {claim.batch_id for claim, answer in answers if self.searched.wants(claim, answer)}
        exchanged, used = self._recorder.exchange(answers, staged, keep)
        self._supply.take(used)
        self.searched.add(exchanged.named)
        return exchanged.claims

    def _observe(self, claim: Claim, answer: Answer) -> None:
        window = self._job.window_of(claim.changes[0].last_modified_date)
        self._job.observe(Attempt(claim.batch_id, len(claim.changes), claim.message_id, answer, window))

    # -- leases ----------------------------------------------------------------------------------------------------------------

    def _leased(self, claim_more: Callable[[int], list[Claim]], most: int = 1) -> list[Claim]:
        """Claim batches, whose leases begin now."""
        since = seconds_since_boot()
        claims = claim_more(most)
        self._client.deadlines.start([claim.batch_id for claim in claims], since)
        return claims

    def _renew(self) -> None:
        deadlines = self._client.deadlines
        if deadlines.until_renewal > 0:
            return
        since = seconds_since_boot()
        held = [*(claim.batch_id for claim in self._calls.claims), *self._supply, *self._held_for_search]
        still: set[int] = set()
        with suppress(TableroError):  # recording the answers reports it, if there are any
            still = leasing.renew(self._job.engine, held, self._job.holder)
        deadlines.renewed(still, since)

    @property
    def _held_for_search(self) -> list[int]:
        """Batches that are held for the search."""
        return [*self.searched.held, *self.single.held]

    def _lease_for_staging(self) -> Lease | None:
        """The lease for batches staged now; called from the staging thread. ``None`` once this pass posts nothing more, so that
        another worker may post them at once.
        """
        if not self._client.deadlines.is_open:
            return None
        self._leased_since = seconds_since_boot()
        return leasing.lease(self._job.engine, self._job.holder)

    def _collect(self) -> None:
        self._client.deadlines.start(self._supply.collect(), self._leased_since)

    # -- the end ---------------------------------------------------------------------------------------------------------------

    def _hand_back(self) -> None:
        """Give up what was staged and not posted: otherwise the next worker waits for the leases to end."""
        with suppress(TableroError):
            leasing.hand_back(self._job.engine, list(self._supply), self._job.holder.worker)

    def _end_early(self, seconds: float) -> None:
        """Shut down in another thread: an outbox may keep that one waiting, but the task has to end.

        :param seconds: how long calls in flight may take to be answered and recorded.
        """
        end = _End(min(seconds_since_boot() + seconds, self._recorder.until))
        thread = threading.Thread(target=self._shut_down, args=(end,), name="tablero-end", daemon=True)
        try:
            thread.start()
            thread.join(max(0.0, end.at - seconds_since_boot()) + _MARGIN)
        except BaseException:  # the task has been told to end in the meantime
            end.at = seconds_since_boot() + GRACE
            thread.join(GRACE + _MARGIN)
            raise

    def _shut_down(self, end: _End) -> None:
        """Before the pass ends early: calls in flight are awaited, and their answers recorded, or they would be repeated."""
        self._client.deadlines.close()
        settled_by = seconds_since_boot() + GRACE
        self._supply.cancel()
        self._recorder.not_made({claim.attempt_id for claim in self._calls.claims})
        self._record_the_rest(end)
        with suppress(TableroError):
            leasing.release(self._job.engine, self._held_for_search, self._job.holder.worker)
            self.single.reopen_unconfirmed()
        self._supply.settle(max(0.0, settled_by - seconds_since_boot()))
        with suppress(Exception):
            self._supply.collect()
        self._hand_back()

    def _record_the_rest(self, end: _End) -> None:
        """Record what is in hand, and what arrives, until nothing is left, as often as the outbox must be asked."""
        while True:
            answers = self._calls.take()
            self._recorder.take_in_hand([(claim, interpret(answer, claim.history)) for claim, answer in answers])
            is_recorded = self._recorder.record()
            if is_recorded:
                self._calls.recorded(len(answers))
            if (is_recorded and not len(self._calls)) or seconds_since_boot() >= end.at:
                return
            self._calls.post_waiting(len(self._calls))  # these end at once, unposted
            self._calls.wait(min(TRY_AGAIN_AFTER, max(0.0, end.at - seconds_since_boot())))
