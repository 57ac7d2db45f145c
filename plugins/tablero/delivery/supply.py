"""Fresh batches, made ready in a thread of their own while others are under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType

from tablero.outbox.batches import Fresh


class Supply:
    """A stock of batches which this worker has staged and may post. Entered and left like a file.

    :param steps: each makes more batches durable, and gives them; none where there is nothing to stage.
    :param enough: batches in stock at which no further step is begun. One step comes on top of them.
    """

    def __init__(self, steps: Iterator[Sequence[Fresh]] | None = None, enough: int = 0) -> None:
        self._steps: Iterator[Sequence[Fresh]] = steps if steps is not None else iter(())
        self._enough = enough
        self._step: Future[Sequence[Fresh] | None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tablero-stage")
        self._stock: deque[Fresh] = deque()
        self._exhausted = steps is None

    def __enter__(self) -> Supply:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # A step under way ends first: it holds a connection, and may have leased batches.
        self._thread.shutdown()
        if self._step is not None and self._step.exception() is None:
            self.collect()

    def __len__(self) -> int:
        return len(self._stock)

    def __iter__(self) -> Iterator[int]:
        """Ids of the batches in stock."""
        return (batch_id for batch_id, _ in self._stock)

    @property
    def under_way(self) -> set[Future[Sequence[Fresh] | None]]:
        """The step that is being made, to be waited for among other things."""
        return {self._step} if self._step is not None else set()

    @property
    def is_spent(self) -> bool:
        """Whether nothing is in stock and nothing more will come."""
        return self._exhausted and not self._stock

    def replenish(self) -> None:
        """Begin a step, unless one is under way or enough is in stock."""
        if not self._exhausted and self._step is None and len(self._stock) < self._enough:
            self._step = self._thread.submit(next, self._steps, None)

    def collect(self) -> None:
        """Put what a step has made into stock, if it has ended.

        :raises Exception: what the step raised.
        """
        if self._step is not None and self._step.done():
            step, self._step = self._step, None
            fresh = step.result()
            if fresh is None:
                self._exhausted = True
            else:
                self._stock.extend(fresh)

    def first(self, most: int) -> list[Fresh]:
        """The earliest batches in stock. They stay there until they are taken, when it is on record that they are posted."""
        return list(islice(self._stock, most))

    def take(self, count: int) -> list[Fresh]:
        """Take that many batches out of stock, the earliest first."""
        return [self._stock.popleft() for _ in range(count)]

    def finish(self) -> None:
        """Make all remaining steps, whatever is in stock.

        :raises Exception: what a step raised.
        """
        while not self._exhausted:
            if self._step is None:
                self._step = self._thread.submit(next, self._steps, None)
            self._step.exception()  # waits; collected below
            self.collect()
