"""Ends calls that take too long, with one thread for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

#: Seconds after which a block that has not ended is ended again: at first there may be nothing to end, such as a connection
#: whose address is still looked up.
_AGAIN_AFTER = 1.0


class Watchdog:
    """Ends blocks that exceed their time limit.

    Its thread starts with the first block and sleeps until the earliest one is due; later ones do not wake it. So a call costs
    a table entry and not a thread. The thread ends when no block is left.
    """

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._looks_at: float | None = None

    @contextmanager
    def within(self, seconds: float, end: Callable[[], None]) -> Iterator[None]:
        """Call ``end``, from the watchdog's thread, if the block takes longer; and again each second until the block ends."""
        block, until = object(), time.monotonic() + seconds
        with self._changed:
            self._due[block] = until, end
            if self._looks_at is None:
                self._looks_at = until
                threading.Thread(target=self._watch, name="tablero-watchdog", daemon=True).start()
            elif until < self._looks_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._due.pop(block, None)

    def _watch(self) -> None:
        with self._changed:
            while self._due:
                now = time.monotonic()
                for block, (until, end) in list(self._due.items()):
                    if until <= now:
                        self._due[block] = now + _AGAIN_AFTER, end
                        try:
                            end()
                        except Exception:  # the other calls still need this thread
                            log.info("A call that takes too long could not be ended.", exc_info=True)
                self._looks_at = min(until for until, _ in self._due.values())
                self._changed.wait(self._looks_at - now)
            self._looks_at = None
