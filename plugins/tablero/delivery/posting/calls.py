"""Calls under way, each in a thread that is kept for the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from tablero.dashboard.answer import Answer
from tablero.outbox.queue.claims import Claim


def moment() -> float:
    """Seconds that never go back; they go on while the machine sleeps, where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Calls:
    """Posts claims, several at a time. Only one thread may call its methods, :meth:`ring` apart.

    The threads are daemons: a task that must end does not wait for a dashboard that does not answer.

    :param post: posts one; never raises.
    """

    def __init__(self, post: Callable[[Claim], Answer]) -> None:
        self._post = post
        self._under_way: dict[int, Claim] = {}
        self._to_do: SimpleQueue[Claim | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Claim, Answer] | None] = SimpleQueue()
        self._ended: list[tuple[Claim, Answer]] = []
        self._threads = 0

    def __len__(self) -> int:
        """Calls that were begun and not taken yet."""
        return len(self._under_way)

    @property
    def claims(self) -> list[Claim]:
        """What is under way."""
        return list(self._under_way.values())

    def begin(self, claim: Claim) -> None:
        """Post it in a thread."""
        self._under_way[claim.attempt_id] = claim
        if self._threads < len(self._under_way):
            self._threads += 1
            threading.Thread(target=self._work, name=f"tablero-post-{self._threads}", daemon=True).start()
        self._to_do.put(claim)

    def wait(self, seconds: float) -> None:
        """Until a call has ended, somebody rings, or the time is over."""
        try:
            found = self._done.get(timeout=seconds)
            while True:
                if found is not None:
                    self._ended.append(found)
                found = self._done.get_nowait()
        except Empty:
            return

    def take(self) -> list[tuple[Claim, Answer]]:
        """The calls that have ended since, and how."""
        ended, self._ended = self._ended, []
        for claim, _ in ended:
            del self._under_way[claim.attempt_id]
        return ended

    def ring(self) -> None:
        """Let :meth:`wait` return; from any thread."""
        self._done.put(None)

    def close(self) -> None:
        """Let the threads end, each after its call."""
        for _ in range(self._threads):
            self._to_do.put(None)

    def _work(self) -> None:
        while (claim := self._to_do.get()) is not None:
            self._done.put((claim, self._post(claim)))
