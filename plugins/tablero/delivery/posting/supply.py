"""Freshly staged batches, prepared in a separate thread while others are being posted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from tablero.outbox.batches import LeasedBatch


class Supply:
    """A stock of batches that this worker has staged and may post.

    :param steps: an iterator of steps, each of which commits and yields more batches; ``None`` if nothing is staged.
    :param enough: number of batches in stock at which no further step is begun; one step may still add to it.
    :param wake: called from the staging thread when a step has ended.
    :param cancel: ends a statement that a step waits for.
    """

    def __init__(
        self,
        steps: Iterator[Sequence[LeasedBatch]] | None = None,
        enough: int = 0,
        wake: Callable[[], None] = lambda: None,
        cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps: Iterator[Sequence[LeasedBatch]] = steps if steps is not None else iter(())
        self._enough = enough
        self._wake = wake
        self._cancel = cancel
        self._step: threading.Thread | None = None
        self._made: Sequence[LeasedBatch] | BaseException | None = None
        self._is_made = threading.Event()
        self._stock: deque[LeasedBatch] = deque()
        self._exhausted = steps is None

    def __len__(self) -> int:
        return len(self._stock)

    def __iter__(self) -> Iterator[int]:
        """Ids of the batches in stock."""
        return (batch_id for batch_id, _ in self._stock)

    @property
    def is_under_way(self) -> bool:
        """Whether a step is in progress."""
        return self._step is not None

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing more will be staged."""
        return self._exhausted

    def replenish(self, *, whatever_is_there: bool = False) -> None:
        """Begin a step, unless one is in progress or enough batches are in stock."""
        if not self._exhausted and self._step is None and (whatever_is_there or len(self._stock) < self._enough):
            # A daemon thread, so that a task can end without waiting for a source that does not answer.
            self._is_made.clear()
            self._step = threading.Thread(target=self._make, name="tablero-stage", daemon=True)
            self._step.start()

    def collect(self) -> list[int]:
        """Add the batches of a step that has ended to the stock; returns their ids.

        :raises BaseException: the exception of the step.
        """
        if self._step is None or not self._is_made.is_set():
            return []
        made, self._step = self._made, None
        if isinstance(made, BaseException):
            self._exhausted = True
            raise made
        if made is None:
            self._exhausted = True
            return []
        self._stock.extend(made)
        return [identity for identity, _ in made]

    def first(self, most: int) -> list[LeasedBatch]:
        """The first batches in stock. They stay there until :meth:`take`, when their attempts are on record."""
        return list(islice(self._stock, most))

    def take(self, count: int) -> list[LeasedBatch]:
        """Remove the first ``count`` batches from the stock."""
        return [self._stock.popleft() for _ in range(count)]

    def finish(self) -> None:
        """Carry out all remaining steps.

        :raises BaseException: the exception of a step.
        """
        while not self._exhausted:
            self.replenish(whatever_is_there=True)
            self.settle(None)
            self.collect()

    def cancel(self) -> None:
        """End the statement that the current step waits for."""
        if self.is_under_way:
            with suppress(Exception):  # if the server cannot cancel it, the statement is left running
                self._cancel()

    def settle(self, seconds: float | None) -> None:
        """Wait until the current step has ended, or the timeout (in seconds) expires."""
        if self._step is not None:
            self._is_made.wait(seconds)

    def _make(self) -> None:
        try:
            self._made = next(self._steps, None)
        except BaseException as error:
            self._made = error
        self._is_made.set()
        self._wake()
