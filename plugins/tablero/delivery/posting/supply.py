"""Fresh batches, made ready in a thread of their own while others are under way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from tablero.outbox.batches import Fresh


class Supply:
    """A stock of batches which this worker has staged and may post.

    :param steps: each makes more batches durable, and gives them; none where there is nothing to stage.
    :param enough: batches in stock at which no further step is begun. One step comes on top of them.
    :param ring: called from the other thread when a step has ended.
    """

    def __init__(
        self,
        steps: Iterator[Sequence[Fresh]] | None = None,
        enough: int = 0,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps: Iterator[Sequence[Fresh]] = steps if steps is not None else iter(())
        self._enough = enough
        self._ring = ring
        self._step: threading.Thread | None = None
        self._made: Sequence[Fresh] | BaseException | None = None
        self._is_made = threading.Event()
        self._stock: deque[Fresh] = deque()
        self._exhausted = steps is None

    def __len__(self) -> int:
        return len(self._stock)

    def __iter__(self) -> Iterator[int]:
        """Ids of the batches in stock."""
        return (batch_id for batch_id, _ in self._stock)

    @property
    def is_under_way(self) -> bool:
        """Whether a step is being made."""
        return self._step is not None

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing more will be staged: all that was read has been through."""
        return self._exhausted

    def replenish(self, *, whatever_is_there: bool = False) -> None:
        """Begin a step, unless one is under way or enough is in stock."""
        if not self._exhausted and self._step is None and (whatever_is_there or len(self._stock) < self._enough):
            # A daemon: a task that must end does not wait for a source that does not answer.
            self._is_made.clear()
            self._step = threading.Thread(target=self._make, name="tablero-stage", daemon=True)
            self._step.start()

    def collect(self) -> None:
        """Put what a step has made into stock, if it has ended.

        :raises BaseException: what the step raised.
        """
        if self._step is None or not self._is_made.is_set():
            return
        made, self._step = self._made, None
        if isinstance(made, BaseException):
            self._exhausted = True
            raise made
        if made is None:
            self._exhausted = True
        else:
            self._stock.extend(made)

    def first(self, most: int) -> list[Fresh]:
        """The earliest batches in stock. They stay there until they are taken, when it is on record that they are posted."""
        return list(islice(self._stock, most))

    def take(self, count: int) -> list[Fresh]:
        """Take that many batches out of stock, the earliest first."""
        return [self._stock.popleft() for _ in range(count)]

    def finish(self) -> None:
        """Make all remaining steps, whatever is in stock.

        :raises BaseException: what a step raised.
        """
        while not self._exhausted:
            self.replenish(whatever_is_there=True)
            self.settle(None)
            self.collect()

    def settle(self, seconds: float | None) -> None:
        """Wait until the step under way has ended, at most so long."""
        if self._step is not None:
            self._is_made.wait(seconds)

    def _make(self) -> None:
        try:
            self._made = next(self._steps, None)
        except BaseException as error:
            self._made = error
        self._is_made.set()
        self._ring()
