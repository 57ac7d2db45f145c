"""The time that a callback has: Airflow kills a process of its dag-processor that takes too long, whatever it is doing."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

#: Seconds kept for recording what was sent, and for the end of the process.
_MARGIN = 5.0

#: Seconds that a callback takes in any case: an attempt that may be cut off is better than none.
_LEAST = 10.0


class Budget:
    """Seconds left for a callback. What it does in turn may take half of what is left, so that none of it uses up the time of
    what follows.

    :param limit: seconds after which Airflow kills the process.
    :param used: seconds for which it has been running: it has parsed the DAG file, and may have run other callbacks.
    """

    def __init__(self, limit: float, used: float = 0.0, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._end = clock() + max(_LEAST, limit - used - _MARGIN)

    @property
    def left(self) -> float:
        """Seconds left."""
        return max(0.0, self._end - self._clock())

    @property
    def half(self) -> float:
        """Half of the seconds left."""
        return self.left / 2
