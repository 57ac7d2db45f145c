"""Waiting for a state, in all tests: however long it takes, up to a point at which it would never come about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which a test gives up, on a slow and busy machine too.
PATIENCE = 300.0


def wait_for(what: str, found: Callable[[], T | None], patience: float = PATIENCE, *, every: float = 0.02) -> T:
    """Poll until there is a value; returns it.

    :param what: what to name in the error after a timeout.
    """
    deadline = time.monotonic() + patience
    while not (result := found()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(every)
    return result
