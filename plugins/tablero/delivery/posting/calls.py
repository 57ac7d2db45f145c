"""Calls in flight, each in a thread that is reused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from queue import Empty, SimpleQueue

from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer
from tablero.outbox.queue.claims import Claim

_request = attrgetter("request_id")


def seconds_since_boot() -> float:
    """A monotonic clock that includes time in which the machine was suspended, where the platform supports it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class _Requests:
    """The requests of a batch, whose rows are in the order of requests."""

    def __init__(self, changes: Sequence[StatusChange]) -> None:
        self._changes = changes
        self._first, self._last = changes[0].request_id, changes[-1].request_id

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(map(_request, self._changes))

    def meet(self, other: _Requests) -> bool:
        """Whether a request has changes in both batches; for most batches the first and the last request rule it out."""
        if self._last < other._first or other._last < self._first:
            return False
        return not self._all.isdisjoint(other._all)


class Calls:
    """Posts several claims at a time. Its methods must be called from one thread, except :meth:`wake`.

    A claim with a change of a request waits for the calls before it that have one of the same request: the changes of a request
    arrive in the order in which they are begun, oldest first, although the calls of others overtake each other. It goes on
    waiting until :meth:`post_waiting` is called, when the answers it waited for are on record; the calls of others do not wait
    for it.

    The threads are daemons, so that a task can end without waiting for a dashboard that does not answer.

    :param post: posts one claim; must not raise.
    """

    def __init__(self, post: Callable[[Claim], Answer]) -> None:
        self._post = post
        self._under_way: dict[int, Claim] = {}
        self._requests: dict[int, _Requests] = {}
        self._waiting: set[int] = set()
        self._to_do: SimpleQueue[Claim | None] = SimpleQueue()
        self._woken: SimpleQueue[None] = SimpleQueue()
        self._ended: list[tuple[Claim, Answer]] = []
        self._threads = 0

    def __len__(self) -> int:
        """Claims that were begun and whose results were not taken yet."""
        return len(self._under_way)

    @property
    def in_flight(self) -> int:
        """The claims among them that are being posted."""
        return len(self._under_way) - len(self._waiting)

    def free(self, limit: int) -> int:
        """How many claims may be begun so that at most ``limit`` calls are in flight, and at most as many wait."""
        return min(limit - self.in_flight - sum(1 for _ in self._ready()), 2 * limit - len(self._under_way))

    @property
    def claims(self) -> list[Claim]:
        """The claims being posted."""
        return list(self._under_way.values())

    def begin(self, claim: Claim) -> None:
        """Post a claim in a thread, after those that it waits for."""
        requests = _Requests(claim.changes)
        waits = any(map(requests.meet, self._requests.values()))
        self._under_way[claim.attempt_id], self._requests[claim.attempt_id] = claim, requests
        self._waiting.add(claim.attempt_id)
        if not waits:
            self._start(claim.attempt_id)

    def _start(self, attempt_id: int) -> None:
        self._waiting.remove(attempt_id)
        self._to_do.put(self._under_way[attempt_id])
        if self._threads < self.in_flight:
            self._threads += 1
            threading.Thread(target=self._work, name=f"tablero-post-{self._threads}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until a call ends, :meth:`wake` is called, or the timeout expires."""
        try:
            self._woken.get(timeout=seconds)
            while True:
                self._woken.get_nowait()
        except Empty:
            return

    def take(self) -> list[tuple[Claim, Answer]]:
        """The calls that have ended, with their answers. They are kept, and returned again, until they are :meth:`recorded`:
        the task may be told to end at any moment in between.
        """
        ended = list(self._ended)
        for claim, _ in ended:
            self._under_way.pop(claim.attempt_id, None)
            self._requests.pop(claim.attempt_id, None)
        return ended

    def recorded(self, count: int) -> None:
        """Note that the first ``count`` answers of :meth:`take` are on record."""
        del self._ended[:count]

    def post_waiting(self, limit: int) -> None:
        """Post the claims that need not wait any longer, as long as fewer than ``limit`` calls are in flight."""
        for attempt_id in list(islice(self._ready(), max(0, limit - self.in_flight))):
            self._start(attempt_id)

    def _ready(self) -> Iterator[int]:
        """The waiting claims that no longer have one before them that they must wait for."""
        before: list[_Requests] = []
        for attempt_id, requests in self._requests.items():
            if attempt_id in self._waiting and not any(map(requests.meet, before)):
                yield attempt_id
            before.append(requests)

    def drop_waiting(self, failed: Iterable[Claim] | None = None) -> list[Claim]:
        """Remove claims that are waiting; they are not posted.

        :param failed: only those that waited for one of these, or for another one that is removed.
        :returns: the removed claims.
        """
        unsent = [_Requests(claim.changes) for claim in failed or ()]
        dropped = []
        for attempt_id in [each for each in self._under_way if each in self._waiting]:
            if failed is None or any(map(self._requests[attempt_id].meet, unsent)):
                self._waiting.remove(attempt_id)
                unsent.append(self._requests.pop(attempt_id))
                dropped.append(self._under_way.pop(attempt_id))
        return dropped

    def wake(self) -> None:
        """Wake up :meth:`wait`; thread-safe."""
        self._woken.put(None)

    def close(self) -> None:
        """Let each thread end after its current call."""
        for _ in range(self._threads):
            self._to_do.put(None)

    def _work(self) -> None:
        while (claim := self._to_do.get()) is not None:
            self._ended.append((claim, self._post(claim)))
            self.wake()
