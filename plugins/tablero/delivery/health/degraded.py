"""Which windows are settled, and still not as usual: pure rules over plain counts.

A run over such a window is green, since every row is accounted for; but a frozen view, a broken mapping or a wrong zone looks
just like it, and someone should know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from tablero.contract.windows import Window
from tablero.outbox.findings import Degradation

#: Days of the same weekday whose median is what is usual.
WEEKS = 8


class Cause(Enum):
    """What is not as usual. The value is kept in the outbox, and its sentence is ``texts.alerts.DEGRADED[value]``."""

    REJECTED = "rejected"
    ALL_REJECTED = "all_rejected"
    NO_ROWS = "no_rows"
    FEW_ROWS = "few_rows"
    UNDATED = "undated"
    AUDIT = "audit"
    UNKNOWN = "unknown"
    RECOGNISED = "recognised"
    FEW_REFUSALS = "few_refusals"


#: Causes that are a condition, and so have an end that is worth telling. The others happen, and are over at once.
CONDITIONS = {Cause.REJECTED, Cause.ALL_REJECTED, Cause.NO_ROWS, Cause.FEW_ROWS, Cause.UNDATED}


@dataclass(frozen=True)
class Counts:
    """What is known of a window after it was sent.

    :ivar read: rows of the source in it.
    :ivar rejected: of them, those set aside, whoever rejected them.
    :ivar excluded: of them, those that the dashboard does not ask for.
    :ivar found: rows that an audit found, and no reading before; 0 where the window is no audit.
    :ivar usual: rows of the last days of the same weekday, as many as are known, up to :data:`WEEKS`; ``None`` where nothing
        is compared: the window is no day, or not the run's own.
    """

    window: Window
    read: int
    rejected: int = 0
    excluded: int = 0
    found: int = 0
    usual: Sequence[int] | None = None


def judge(counts: Counts, *, rejected_percent: float, low_volume_percent: float) -> Iterator[Degradation]:
    """What is not as usual in a window.

    :param rejected_percent: of the rows that could be sent, from which on rejections are told; 0: only if it is all of them.
    :param low_volume_percent: of the usual rows, below which a day is told; 0: never, not even of an empty one.
    """
    window = counts.window
    if counts.found:
        yield Degradation.of(Cause.AUDIT.value, window, counts.found, counts.read)
    if window.kind == "undated":
        if counts.rejected:
            yield Degradation.of(Cause.UNDATED.value, window, counts.rejected, counts.read)
        return
    eligible = counts.read - counts.excluded
    if counts.rejected and counts.rejected >= eligible:
        yield Degradation.of(Cause.ALL_REJECTED.value, window, counts.rejected, eligible)
    elif rejected_percent and counts.rejected * 100 > eligible * rejected_percent:
        yield Degradation.of(Cause.REJECTED.value, window, counts.rejected, eligible)
    if counts.usual is not None and low_volume_percent:
        yield from _volume(counts, counts.usual, low_volume_percent)


def _volume(counts: Counts, usual: Sequence[int], percent: float) -> Iterator[Degradation]:
    # Where no such day is known yet, an empty one is told: an empty view must not pass from the first night on.
    expected = int(median(usual)) if usual else 1
    if not counts.read and expected:
        yield Degradation.of(Cause.NO_ROWS.value, counts.window, 0, expected)
    elif usual and counts.read * 100 < expected * percent:
        yield Degradation.of(Cause.FEW_ROWS.value, counts.window, counts.read, expected)
