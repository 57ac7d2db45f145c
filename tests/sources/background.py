"""A reading in a thread of its own, to be cancelled from outside."""

from __future__ import annotations

import threading

from tablero.contract.windows import Window
from tablero.source.reader import Source


def reading(found: Source, window: Window) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that reads ``window``, and the error with which it ended, once it has."""
    ended: list[BaseException] = []

    def read() -> None:
        try:
            list(found.read(window))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, ended
