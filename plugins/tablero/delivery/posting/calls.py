"""Calls in flight, each in a thread that is reused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from tablero.dashboard.answer import Answer
from tablero.outbox.queue.claims import Claim


def moment() -> float:
    """A monotonic clock in seconds that includes time in which the machine was suspended, where the platform supports it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Calls:
    """Posts several claims at a time. Its methods must be called from one thread, except :meth:`wake`.

    A claim with a change of a request waits for the calls before it that have one of the same request: the changes of a request
    arrive in the order in which they are begun, oldest first, although the calls of others overtake each other. It goes on
    waiting until :meth:`post_waiting` is called, when the answers it waited for are on record.

    The threads are daemons, so that a task can end without waiting for a dashboard that does not answer.

    :param post: posts one claim; must not raise.
    """

    def __init__(self, post: Callable[[Claim], Answer]) -> None:
        self._post = post
        self._under_way: dict[int, Claim] = {}
        self._requests: dict[int, frozenset[str]] = {}
        self._waiting: set[int] = set()
        self._to_do: SimpleQueue[Claim | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Claim, Answer] | None] = SimpleQueue()
        self._ended: list[tuple[Claim, Answer]] = []
        self._threads = 0

    def __len__(self) -> int:
        """Calls that were begun and whose results were not taken yet."""
        return len(self._under_way)

    @property
    def claims(self) -> list[Claim]:
        """The claims being posted."""
        return list(self._under_way.values())

    def begin(self, claim: Claim) -> None:
        """Post a claim in a thread, after those that it waits for."""
        requests = frozenset(change.request_id for change in claim.changes)
        if all(map(requests.isdisjoint, self._requests.values())):
            self._to_do.put(claim)
        else:
            self._waiting.add(claim.attempt_id)
        self._under_way[claim.attempt_id], self._requests[claim.attempt_id] = claim, requests
        if self._threads < len(self._under_way):
            self._threads += 1
            threading.Thread(target=self._work, name=f"tablero-post-{self._threads}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until a call ends, :meth:`wake` is called, or the timeout expires."""
        try:
            found = self._done.get(timeout=seconds)
            while True:
                if found is not None:
                    self._ended.append(found)
                found = self._done.get_nowait()
        except Empty:
            return

    def take(self) -> list[tuple[Claim, Answer]]:
        """Return the calls that have ended since the last time, with their answers."""
        ended, self._ended = self._ended, []
        for claim, _ in ended:
            del self._under_way[claim.attempt_id], self._requests[claim.attempt_id]
        return ended

    def post_waiting(self) -> None:
        """Post the claims that need not wait any longer."""
        before: list[frozenset[str]] = []
        for attempt_id, requests in self._requests.items():
            if attempt_id in self._waiting and all(map(requests.isdisjoint, before)):
                self._waiting.remove(attempt_id)
                self._to_do.put(self._under_way[attempt_id])
            before.append(requests)

    def drop_waiting(self, failed: Iterable[Claim] | None = None) -> list[Claim]:
        """Remove claims that are waiting; they are not posted.

        :param failed: only those that waited for one of these, or for another one that is removed.
        :returns: the removed claims.
        """
        unsent = {change.request_id for claim in failed or () for change in claim.changes}
        dropped = []
        for attempt_id in [each for each in self._under_way if each in self._waiting]:
            if failed is None or not self._requests[attempt_id].isdisjoint(unsent):
                self._waiting.remove(attempt_id)
                unsent |= self._requests.pop(attempt_id)
                dropped.append(self._under_way.pop(attempt_id))
        return dropped

    def wake(self) -> None:
        """Wake up :meth:`wait`; thread-safe."""
        self._done.put(None)

    def close(self) -> None:
        """Let each thread end after its current call."""
        for _ in range(self._threads):
            self._to_do.put(None)

    def _work(self) -> None:
        while (claim := self._to_do.get()) is not None:
            self._done.put((claim, self._post(claim)))
